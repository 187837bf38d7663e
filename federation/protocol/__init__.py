"""What the desktop and the keyboards say to each other. Both import it, so nothing here needs TensorFlow or Kivy."""
