from ...supervisor.dependencies import LATE, Dependencies


def test_a_start_from_nothing_after_the_project_wrote_a_file():
    """What start-up itself writes is a record without a value."""
    dependencies = Dependencies()
    dependencies.add("file", "/project/app.log", "1")
    dependencies.add("written", "/project/app.log", "")

    dependencies.truncate(0)

    assert (len(dependencies), dependencies.values) == (0, {})


def test_what_the_next_process_may_do_without_is_kept_until_it_has_used_it_itself():
    dependencies = Dependencies()
    for number in range(4):
        dependencies.add("file", f"/project/{number}", "1")
    dependencies.kept_from = 2

    dependencies.truncate(1)
    kept = dict(dependencies.values)
    dependencies.add("file", "/project/3", "2")
    dependencies.truncate(1)

    assert {path: position < LATE for (_, path), (position, _) in kept.items()} == {
        "/project/0": True, "/project/2": False, "/project/3": False,
    }  # fmt: skip
    # It was used as anything else.
    assert ("file", "/project/3") not in dependencies.values


def test_what_a_snapshot_that_stays_has_used_is_not_kept_as_late():
    dependencies = Dependencies()
    for path in ("/project/0", "/project/1", "/project/0"):
        dependencies.add("file", path, "1")
    dependencies.kept_from = 0

    dependencies.truncate(2)

    assert dependencies.values["file", "/project/0"] == (0, "1")


def test_an_ignored_file_is_no_change_of_its_folder_either(tmp_path):
    dependencies, path = Dependencies(), f"{tmp_path}/made.gz"
    dependencies.add("list", str(tmp_path), "names before")

    before = dependencies.broken_by({path}, is_retry=False)
    dependencies.ignored.add(path)

    assert (before, dependencies.broken_by({path}, is_retry=False)) == ({path: 0}, {})
