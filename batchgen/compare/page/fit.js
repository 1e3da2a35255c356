"use strict";

/** How boxes share a stage so that the pictures in them are as large as they can be. */
const fit = (() => {
  /** The columns, and the size of a box: `count` boxes of the shape `ratio` (width by height) in `width` by `height` pixels. */
  const boxes = (count, ratio, width, height, gap) => {
    let best = { columns: 1, wide: 0, tall: 0 };
    for (let columns = 1; columns <= count; columns++) {
      const lines = Math.ceil(count / columns);
      const room = (height - (lines - 1) * gap) / lines;
      const wide = Math.floor(Math.min((width - (columns - 1) * gap) / columns, room * ratio));
      if (wide > best.wide) best = { columns, wide, tall: Math.floor(wide / ratio) };
    }
    return best;
  };

  /** The part of a `width` by `height` frame that a picture of the shape `ratio` takes when it is shown whole. */
  const inside = (ratio, width, height) => {
    const wide = Math.min(width, height * ratio);
    return { left: (width - wide) / 2, top: (height - wide / ratio) / 2, wide, tall: wide / ratio };
  };

  return { boxes, inside };
})();
