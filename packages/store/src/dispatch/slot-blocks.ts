/*
 * # The slots of a subscription's retries, as blocks
 *
 * Time is divided into slots, numbered since the epoch. Each slot holds as many retries as can be sent in it,
 * and a retry takes a place in the first slot that has room, from the one in which it is due. A receiver
 * chooses when its retries are due (`Retry-After`, up to a day), so there may be thousands of full slots
 * ahead. Each retry would have to pass all of them, one by one.
 *
 * Full slots that follow each other are therefore one block, and a retry that is due within it goes to its
 * end at once. Blocks that touch each other are joined when a retry passes from one to the next, so each is
 * passed once. Slots without retries have no block.
 *
 * How many retries a slot holds depends on the subscription's rate and on the duration of its attempts. If it
 * grows, the slots of a block have room again, and a retry that is due within the block splits it.
 */

/** Slots that follow each other and have retries. */
export type Block = {
  /** The first slot. */
  slot: number;
  lastSlot: number;
  /** Retries in the last slot. */
  taken: number;
  /** Retries in each slot before the last one, at most. */
  takenBefore: number;
};

/** A place in a slot. */
export type Place = {
  readonly slot: number;
  /** How many retries have a place in the slot already. */
  readonly before: number;
};

/**
 * Takes the first place from a slot on.
 *
 * @param blocks a subscription's blocks in the order of their slots: all of those from the one with `from` to
 *   the one with `knownTo`. They are changed
 * @param from the slot in which the retry is due
 * @param options.perSlot retries that a slot holds, at least 1
 * @param options.knownTo the last slot that has been read. If all are full up to there, the retry stands
 *   beside the last of them
 */
export function takePlace(
  blocks: Block[],
  from: number,
  { perSlot, knownTo }: { perSlot: number; knownTo: number },
): Place {
  const at = blocks.findLastIndex(({ slot }) => slot <= from);
  const block = blocks[at];
  if (block === undefined || block.lastSlot < from - 1) return begin(blocks, at + 1, from);
  if (block.lastSlot < from) {
    return block.taken < perSlot ? begin(blocks, at + 1, from) : extend(blocks, at, { perSlot, knownTo });
  }
  if (from < block.lastSlot && block.takenBefore < perSlot) return split(blocks, at, from);
  if (block.taken < perSlot) return add(block);
  return extend(blocks, at, { perSlot, knownTo });
}

function add(block: Block): Place {
  block.taken += 1;
  return { slot: block.lastSlot, before: block.taken - 1 };
}

function begin(blocks: Block[], index: number, slot: number): Place {
  blocks.splice(index, 0, { slot, lastSlot: slot, taken: 1, takenBefore: 0 });
  return { slot, before: 0 };
}

/** Takes a place in the middle of a block, whose slots have room. */
function split(blocks: Block[], index: number, slot: number): Place {
  const block = blocks[index] as Block;
  const { takenBefore } = block;
  const parts: Block[] = [{ slot, lastSlot: slot, taken: takenBefore + 1, takenBefore: 0 }];
  if (block.slot < slot) {
    parts.unshift({ slot: block.slot, lastSlot: slot - 1, taken: takenBefore, takenBefore });
  }
  blocks.splice(index, 1, ...parts, { ...block, slot: slot + 1 });
  return { slot, before: takenBefore };
}

/** Takes a place behind a block whose last slot is full. */
function extend(
  blocks: Block[],
  index: number,
  { perSlot, knownTo }: { perSlot: number; knownTo: number },
): Place {
  const block = blocks[index] as Block;
  if (block.slot < block.lastSlot && block.takenBefore < perSlot) {
    // The slots before the last one have room: they stay a block of their own.
    const { slot, lastSlot, takenBefore } = block;
    blocks.splice(index, 0, { slot, lastSlot: lastSlot - 1, taken: takenBefore, takenBefore });
    block.slot = lastSlot;
    return extend(blocks, index + 1, { perSlot, knownTo });
  }
  while (block.taken >= perSlot) {
    const slot = block.lastSlot + 1;
    if (slot > knownTo) return add(block);
    const next = blocks[index + 1];
    block.takenBefore = Math.max(block.takenBefore, block.taken);
    if (next === undefined || next.slot > slot) {
      block.lastSlot = slot;
      block.taken = 0;
    } else if (next.slot < next.lastSlot && next.takenBefore < perSlot) {
      // The next block's first slot has room.
      block.lastSlot = slot;
      block.taken = next.takenBefore;
      next.slot += 1;
    } else {
      block.takenBefore = Math.max(block.takenBefore, next.takenBefore);
      block.lastSlot = Math.max(slot, next.lastSlot);
      block.taken = next.taken;
      blocks.splice(index + 1, 1);
    }
  }
  return add(block);
}
