import pytest, time
from tests.faults.test_cut_connections import *
from tests.faults.test_cut_connections import three
def test_loop(server, three, database_url, query):
    bad=0; n=0; end=time.time()+100
    while time.time()<end:
        n+=1
        forget(database_url, query)
        with Proxy(server) as proxy:
            a=AT_COMMIT[("sent","answer withheld","half an answer")[n%3]]
            proxy.arm(Fault(a[0],a[1],text=a[2],kind=a[3],number=1+n%2))
            told = tell(proxy.url(name_of(database_url)), three, Migrator.migrate)
            found=versions(database_url)
            if told.done!=found or (told.exit_code==0)!=(len(found)==3):
                bad+=1
                e=told.error
                print('BAD',n, told.done, repr(e), e and (e.code, e.hint, e.state), found, repr(e.__cause__), flush=True)
            tell(database_url, three, Migrator.migrate)
    print('bad',bad, n)
