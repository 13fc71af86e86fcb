from ...supervisor.dependencies import Dependencies


def test_a_start_from_nothing_after_the_project_wrote_a_file():
    """What start-up itself writes is a record without a value."""
    dependencies = Dependencies()
    dependencies.add("file", "/project/app.log", "1")
    dependencies.add("written", "/project/app.log", "")

    dependencies.truncate(0)

    assert (len(dependencies), dependencies.values) == (0, {})
