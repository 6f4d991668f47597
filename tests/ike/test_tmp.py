from tests.ike.pair import *
from fynx_scapy.ike.events import *
from fynx_scapy.net.echo import echo_request
from fynx_scapy.ike.message import *
import pytest
def ping(p): 
    n=len(p.network.hosts["alice"].inbox)
    assert p.alice.send(echo_request("10.1.0.1","10.2.0.1"), p.network.now)
    p.network.run(); return len(p.network.hosts["alice"].inbox)==n+1
def test_child():
    p=Pair(); sa=p.connect(); assert ping(p)
    (old,)=sa.children.values()
    e=sa.rekey_child(old); p.network.run(); assert e.error is None, e.error
    assert len(sa.children)==1 and len(p.bobs.children)==1
    assert ping(p)
def test_ike():
    p=Pair(); sa=p.connect(); 
    e=sa.rekey(); p.network.run(); assert e.error is None, e.error
    new=e.successor; assert new.established and len(new.children)==1
    assert ping(p)
    p.network.run(p.network.now+200)
    assert len(p.alice.sas)==len(p.bob.sas)==1
    e=p.bobs.rekey(); p.network.run();  p.network.run(p.network.now+200)
    assert len(p.alice.sas)==len(p.bob.sas)==1
    assert ping(p)
def test_cross_child():
    for seed in range(30):
        p=Pair(seed=seed); sa=p.connect(); 
        a=sa.rekey_child(*sa.children.values()); b=p.bobs.rekey_child(*p.bobs.children.values()); p.network.run()
        assert a.error is None and b.error is None
        assert len(sa.children)==1 and len(p.bobs.children)==1, seed
        assert [c.inbound.spi for c in sa.children.values()]==[c.outbound.spi for c in p.bobs.children.values()]
        assert ping(p)
def test_cross_ike():
    for seed in range(30):
        p=Pair(seed=seed); sa=p.connect(); 
        a=sa.rekey(); b=p.bobs.rekey(); p.network.run()
        assert a.error is None and b.error is None
        p.network.run(p.network.now+200)
        assert len(p.alice.sas)==len(p.bob.sas)==1
        assert ping(p)
