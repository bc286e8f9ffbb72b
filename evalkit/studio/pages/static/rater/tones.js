// The sound of the volume check: a number of tones, as loud as speech usually is, made here.

const RATE = 22050;
const TONE = 0.28; // seconds
const GAP = 0.42;
const LEVEL = 0.12; // of full scale, about -21 dB: as the loud parts of speech

/** Return the samples of so many tones, -1 to 1, at RATE. */
export function tones(number) {
  const samples = new Float32Array(Math.round(RATE * (0.2 + number * (TONE + GAP))));
  for (let tone = 0; tone < number; tone += 1) {
    const start = Math.round(RATE * (0.2 + tone * (TONE + GAP)));
    const length = Math.round(RATE * TONE);
    for (let at = 0; at < length; at += 1) {
      const edge = Math.min(1, at / (0.02 * RATE), (length - at) / (0.02 * RATE)); // no clicks
      const phase = (2 * Math.PI * at) / RATE;
      samples[start + at] = LEVEL * edge * (Math.sin(440 * phase) + 0.5 * Math.sin(880 * phase));
    }
  }
  return samples;
}

/** Return samples as the bytes of a WAV file with 16 bits. */
export function wav(samples) {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at, word) => [...word].forEach((sign, index) => view.setUint8(at + index, sign.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, RATE, true);
  view.setUint32(28, RATE * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((value, index) => view.setInt16(44 + index * 2, Math.round(value * 32767), true));
  return view.buffer;
}
