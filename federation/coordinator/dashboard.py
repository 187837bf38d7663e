def add_dashboard(app, control, token):
    pass
