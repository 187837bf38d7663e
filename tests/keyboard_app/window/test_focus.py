import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keyboard_app.window.widgets.focus import Box, Way, after, nearest

GRID = [Box(10 * column, 10 * row, 10 * column + 8, 10 * row + 8) for row in range(4) for column in range(5)]
OPPOSITE = {Way.LEFT: Way.RIGHT, Way.RIGHT: Way.LEFT, Way.UP: Way.DOWN, Way.DOWN: Way.UP}
INDICES = st.integers(0, len(GRID) - 1)


@settings(deadline=None)
@given(INDICES, st.sampled_from(Way))
def test_in_a_grid_the_focus_moves_to_the_neighbour_and_back(index: int, way: Way) -> None:
    row, column = divmod(index, 5)
    across, up = way.value
    found = nearest(GRID[index], GRID, way)
    if not (0 <= row + up < 4 and 0 <= column + across < 5):
        assert found is None
    else:
        assert found == (row + up) * 5 + column + across
        assert nearest(GRID[found], GRID, OPPOSITE[way]) == index


BOXES = st.lists(
    st.builds(
        lambda x, y, w, h: Box(x, y, x + w, y + h),
        st.integers(0, 400),
        st.integers(0, 800),
        st.integers(1, 200),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(BOXES, st.data(), st.sampled_from(Way))
def test_the_focus_never_stays_or_moves_backwards(boxes: list[Box], data: st.DataObject, way: Way) -> None:
    current = data.draw(st.sampled_from(boxes))
    found = nearest(current, boxes, way)
    if found is not None:
        across, up = way.value
        box = boxes[found]
        assert (box.x + box.right - current.x - current.right) * across >= 0
        assert (box.y + box.top - current.y - current.top) * up >= 0
        assert box != current


@settings(deadline=None)
@given(st.integers(1, 30), st.sampled_from([1, -1]))
def test_the_reading_order_visits_all_controls_and_wraps_around(count: int, step: int) -> None:
    seen, current = [], None
    for _ in range(count):
        current = after(current, count, step)
        seen.append(current)
    assert sorted(seen) == list(range(count))
    assert after(current, count, step) == seen[0]


@pytest.mark.parametrize("way", Way)
def test_a_single_control_has_no_neighbour(way: Way) -> None:
    assert nearest(GRID[0], [GRID[0]], way) is None
