"""Waits of the CPU for the GPU, found in traces made by hand.

One UNet call of two kernels and a second of one, times in microseconds.
"""

from lab.benchmarks.syncs import UNET_CALL, waits_of


def event(name, ts, dur, cat="cuda_runtime", correlation=None):
    return {"ph": "X", "name": name, "ts": ts, "dur": dur, "cat": cat, "args": {"correlation": correlation}}


CALLS = [
    event(UNET_CALL, 0, 50, "user_annotation"),
    event("cudaLaunchKernel", 5, 2, correlation=1),
    event("cudaLaunchKernel", 40, 2, correlation=2),
    event("gemm", 10, 30, "kernel", 1),
    event("gemm", 60, 40, "kernel", 2),
    event(UNET_CALL, 200, 50, "user_annotation"),
    event("cudaLaunchKernel", 205, 2, correlation=3),
    event("gemm", 210, 30, "kernel", 3),
]


def found(*waits):
    """Of the first call: the waits inside of it, and those that drain the queue. The second has none."""
    of_calls = waits_of([*CALLS, *waits])
    (inside, none), (draining, nor_here) = of_calls["inside"], of_calls["draining"]
    assert none == nor_here == []
    return inside, draining


def test_a_wait_between_the_launches_of_a_call_is_inside():
    assert found(event("cudaStreamSynchronize", 20, 5)) == (["cudaStreamSynchronize"], [])


def test_a_wait_until_the_last_kernel_is_done_drains():
    assert found(event("cudaStreamSynchronize", 55, 47)) == ([], ["cudaStreamSynchronize"])


def test_a_wait_for_something_that_is_done_already_is_neither():
    assert found(event("cudaEventSynchronize", 55, 1)) == ([], [])


def test_a_wait_after_the_last_kernel_is_neither():
    assert found(event("cudaDeviceSynchronize", 120, 1)) == ([], [])


def test_a_wait_with_the_next_call_queued_behind_what_it_waits_for_is_neither():
    following = event(UNET_CALL, 60, 5, "user_annotation"), event("cudaLaunchKernel", 61, 1, correlation=4)
    trace = [*CALLS[:5], *following, event("gemm", 110, 30, "kernel", 4), event("cudaEventSynchronize", 70, 31)]
    assert waits_of(trace) == {"inside": [[], []], "draining": [[], []]}


def test_a_wait_on_the_gpu_alone_is_none():
    assert found(event("cudaStreamWaitEvent", 20, 1), event("cudaMemcpyAsync", 21, 1)) == ([], [])
