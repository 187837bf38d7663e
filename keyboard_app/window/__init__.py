"""What a person sees and touches, in Kivy."""
