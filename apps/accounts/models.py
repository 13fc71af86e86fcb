from django.contrib.auth.models import AbstractUser


class User(AbstractUser):
    """A user of the project; changing to a model of one's own later is hard, adding a field to this one is not."""
