from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    """Hashed, compressed static files; their plain names as long as `collectstatic` has not run."""

    def stored_name(self, name: str) -> str:
        return super().stored_name(name) if self.hashed_files else name
