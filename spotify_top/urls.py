from django.contrib import admin
from django.urls import include, path

from tracks.ops.limits import passwords

handler400 = "tracks.error_pages.bad_request"
handler403 = "tracks.error_pages.permission_denied"
handler404 = "tracks.error_pages.page_not_found"

urlpatterns = [
    path("", include("tracks.urls")),
    path("accounts/spotify/", include("tracks.signin.urls")),
    path("admin/login/", passwords(admin.site.login)),
    path("admin/", admin.site.urls),
]
