"""The keyboard's window: the app, its event loop, the screen and its pages, in Kivy."""
