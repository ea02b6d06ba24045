"""What answers for a network: PyTorch, OpenVINO, or a graph that torch.compile made."""
