// How much of a video was played: the union of the ranges that were played, not how far somebody jumped.

const JOINT = 0.25; // seconds: ranges this close are one; players report their ends a little early or late

/** Return sorted ranges [from, to] without overlaps. */
export function union(ranges) {
  const joined = [];
  for (const [from, to] of [...ranges].sort((a, b) => a[0] - b[0])) {
    const last = joined.at(-1);
    if (last && from <= last[1] + JOINT) last[1] = Math.max(last[1], to);
    else joined.push([from, to]);
  }
  return joined;
}

/** Return the share of the duration that the ranges cover, 0 to 1; 0 where the duration is not known. */
export function share(ranges, duration) {
  if (!(duration > 0) || !Number.isFinite(duration)) return 0;
  let covered = 0;
  for (const [from, to] of union(ranges)) {
    const start = from <= JOINT ? 0 : from;
    const end = to >= duration - JOINT ? duration : to;
    covered += Math.max(0, end - start);
  }
  return Math.min(1, covered / duration);
}

/** Return a player's TimeRanges as a list. */
export function listed(ranges) {
  return Array.from({ length: ranges.length }, (_, index) => [ranges.start(index), ranges.end(index)]);
}
