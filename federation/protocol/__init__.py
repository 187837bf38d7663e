"""What the desktop and the keyboards say to each other; imported by both, so nothing here needs TensorFlow or Kivy."""
