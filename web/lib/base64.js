/** Bytes as text. @param {Blob} blob of some thousand bytes */
export async function base64Of(blob) {
  return btoa(String.fromCharCode(...new Uint8Array(await blob.arrayBuffer())));
}
