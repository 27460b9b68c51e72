import numpy as np
import pytest
import soxr

from echoless.lines.resample import Resampler, to_ears


def run(convert: Resampler, signal: np.ndarray) -> np.ndarray:
    blocks = signal[: len(signal) // convert.block_in * convert.block_in].reshape(-1, convert.block_in)
    return np.concatenate([convert(b) for b in blocks])


def tone(hz: float, rate: int, seconds: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate).astype(np.float32)


def level_db(x: np.ndarray) -> float:
    middle = x[len(x) // 4 : len(x) * 3 // 4]
    return float(20 * np.log10(np.sqrt(2 * np.mean(middle**2)) + 1e-9))


PAIRS = [(48_000, 16_000), (24_000, 16_000), (32_000, 16_000), (8_000, 16_000), (16_000, 48_000), (22_000, 16_000)]


@pytest.mark.parametrize(("rate_in", "rate_out"), PAIRS)
def test_latency_is_what_it_says(rate_in: int, rate_out: int) -> None:
    convert = Resampler(rate_in, rate_out, rate_in * 16 // 1000)
    assert 0 < convert.latency <= 0.0041
    noise = np.random.default_rng(3).standard_normal(rate_in).astype(np.float32)
    ours, exact = run(convert, noise), soxr.resample(noise, rate_in, rate_out)
    late = round(convert.latency * rate_out)
    assert np.corrcoef(ours[late + 500 : 15_000], exact[500 : 15_000 - late])[0, 1] > 0.97
    assert all(np.corrcoef(ours[late + d + 500 : 15_000], exact[500 : 15_000 - late - d])[0, 1] < 0.9 for d in (-1, 1))


@pytest.mark.parametrize("hz", [100, 1000, 4000, 6500])
def test_speech_passes_whole(hz: int) -> None:
    assert abs(level_db(run(to_ears(48_000), tone(hz, 48_000)))) < 0.1


@pytest.mark.parametrize("hz", [8_200, 10_000, 15_000, 20_000])
def test_nothing_folds_back(hz: int) -> None:
    assert level_db(run(to_ears(48_000), tone(hz, 48_000))) < -65


def test_up_and_down_again_returns_the_signal() -> None:
    up, down = Resampler(16_000, 48_000, 256), to_ears(48_000)
    noise = np.random.default_rng(1).standard_normal(16_000).astype(np.float32)
    speechlike = np.convolve(noise, np.ones(6) / 6, "same").astype(np.float32)
    back = run(down, run(up, speechlike))
    late = round((up.latency + down.latency) * 16_000)
    assert late == (up.latency + down.latency) * 16_000
    error = back[late:] - speechlike[: len(back) - late]
    assert 20 * np.log10(error[500:-500].std() / speechlike.std()) < -18  # what is left is above 6.7 kHz


def test_blocks_leave_no_seams() -> None:
    signal = np.random.default_rng(7).standard_normal(768 * 50).astype(np.float32)
    whole = Resampler(48_000, 16_000, len(signal))(signal)
    assert np.allclose(run(to_ears(48_000), signal), whole, atol=1e-5)


def test_equal_rates_pass_through() -> None:
    convert = to_ears(16_000)
    block = np.arange(256, dtype=np.float32)
    assert convert.latency == 0
    assert np.array_equal(convert(block), block)


def test_odd_rates_and_wrong_blocks_are_refused() -> None:
    with pytest.raises(ValueError, match="whole number"):
        Resampler(44_100, 16_000, 705)
    with pytest.raises(ValueError, match="768"):
        to_ears(48_000)(np.zeros(767, np.float32))
