"""What several methods share: settings, and the parts they are put together from."""
