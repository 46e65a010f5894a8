/** Items by a number, equal ones as they stand in `before`, whichever the direction. */
export function numericOrder(
  values: Float64Array | Uint8Array,
  before: Uint32Array,
  descending: boolean,
): Uint32Array {
  const count = values.length;
  let largest = 0;
  for (let i = 0; i < count; i += 1) largest = Math.max(largest, values[i] as number);
  const order = new Uint32Array(count);
  if ((largest + 1) * count <= Number.MAX_SAFE_INTEGER) {
    // Value and place in one number: sorting without a comparing function is about eight times as fast.
    const keys = new Float64Array(count);
    for (let place = 0; place < count; place += 1) {
      const value = values[before[place] as number] as number;
      keys[place] = (descending ? largest - value : value) * count + place;
    }
    keys.sort();
    for (let i = 0; i < count; i += 1) order[i] = before[(keys[i] as number) % count] as number;
    return order;
  }
  order.set(before);
  const sign = descending ? -1 : 1;
  return order.sort((a, b) => sign * ((values[a] as number) - (values[b] as number)));
}
