"""Records in the order in which they were related, however many there are."""

from __future__ import annotations

import time

import lakehouse as ln
from lakehouse.orm.session.links import LazyUids


def test_an_order_of_thousands_takes_linear_time(lake):
    labels = ln.save([ln.ULabel(name=f"label {i}") for i in range(30_000)])
    uids = [label.uid for label in reversed(labels)]

    def seconds(count: int) -> float:
        order = LazyUids(lake, lambda: uids[:count], "some labels")
        begin = time.perf_counter()
        found = ln.ULabel.filter(uid__in=order)._with(order=(order,))
        assert found.to_list("uid") == uids[:count]
        assert found[:2].to_list("uid") == uids[:2]
        assert found.filter(name__startswith="label 29")[0].uid == uids[0]
        return time.perf_counter() - begin

    few = max(seconds(2_000), 0.02)
    assert seconds(30_000) < 40 * few  # quadratic would be 225
