"""Runtimes that answer for a network: PyTorch, OpenVINO, or a graph made by torch.compile."""
