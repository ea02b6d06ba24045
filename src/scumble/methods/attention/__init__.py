"""Methods that steer attention and features."""
