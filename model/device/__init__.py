"""All of the model that a device needs, with LiteRT and arrays alone: nothing in here imports TensorFlow."""
