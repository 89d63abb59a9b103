import { useEffect, useMemo, useState } from 'react';
import { safeFileName, visible } from './shown';
import type { AgentFile } from './useRunEvents';

/** What a browser decodes without running anything: no SVG. */
const PICTURES = /^image\/(?:png|jpeg|gif|webp|avif)$/;

/** The files of a run (`CUSTOM` `bedrock.file`), to be saved. None opens in the page, and pictures are shown. */
export function Files({ files }: { files: readonly AgentFile[] }) {
  if (files.length === 0) return null;
  return (
    <ul className="relay-files" aria-label="Files">
      {files.map((file, index) => (
        // The list only grows at its end, so a file's place is its key.
        <FileItem key={index} file={file} />
      ))}
    </ul>
  );
}

function FileItem({ file }: { file: AgentFile }) {
  const bytes = useMemo(() => decode(file.bytes), [file]);
  const picture = useAddress(PICTURES.test(file.type) ? bytes : undefined, file.type);
  // Not of the agent's type, which a browser might show: whatever it is, it is only saved.
  const address = useAddress(bytes, 'application/octet-stream');
  const name = safeFileName(file.name);
  return (
    <li>
      {picture && <img src={picture} alt={name} />}
      {bytes ? (
        <a href={address} download={name}>
          {name}
        </a>
      ) : (
        `${name} arrived damaged: it is not base64.`
      )}
      <small>
        {[visible(file.type), bytes && `${bytes.length.toLocaleString('en')} bytes`].filter(Boolean).join(' · ')}
      </small>
    </li>
  );
}

/** An address of the bytes, as long as they are shown. */
function useAddress(bytes: Uint8Array<ArrayBuffer> | undefined, type: string): string | undefined {
  const [address, setAddress] = useState<string>();
  useEffect(() => {
    if (!bytes) return;
    const made = URL.createObjectURL(new Blob([bytes], { type }));
    setAddress(made);
    return () => {
      setAddress(undefined);
      URL.revokeObjectURL(made);
    };
  }, [bytes, type]);
  return address;
}

function decode(base64: string): Uint8Array<ArrayBuffer> | undefined {
  try {
    return Uint8Array.from(atob(base64), (byte) => byte.charCodeAt(0));
  } catch {
    return undefined;
  }
}
