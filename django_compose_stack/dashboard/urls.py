from django.urls import path

from django_compose_stack.dashboard import mail, tasks, views

app_name = "stack"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("migrate/", views.migrate, name="migrate"),
    path("tasks/<uuid:pk>/retry/", tasks.retry, name="retry"),
    path("mail/", mail.index, name="mail"),
    path("mail/clear/", mail.clear, name="clear-mail"),
    path("mail/<slug:name>/", mail.message, name="message"),
    path("mail/<slug:name>/html/", mail.html, name="html"),
    path("mail/<slug:name>/<int:number>/", mail.attachment, name="attachment"),
]
