def test_a(dbmate, url, project, make_url, query):
    project.migration("1_a", up="create table t (i int);", down="drop table t;")
    print(url)
    done = dbmate("up", url=url)
    print(done)
    done = dbmate.dumping()("up", url=url)
    print(done, project.schema_file.read_text())
    assert 0
