"""The protocol between the coordinator and the keyboards. Both sides import it, so nothing here needs TensorFlow or Kivy."""
