import { at, listAt, safeLink, textAt, visible } from './shown';

/** Where each kind of location has its address (RetrievalResultLocation of the Bedrock API). */
const PLACES = [
  ['s3Location', 'uri'],
  ['webLocation', 'url'],
  ['confluenceLocation', 'url'],
  ['salesforceLocation', 'url'],
  ['sharePointLocation', 'url'],
  ['kendraDocumentLocation', 'uri'],
  ['customDocumentLocation', 'id'],
  ['sqlLocation', 'query'],
] as const;

interface Source {
  where: string;
  excerpt: string;
  /** The words of the answer that rest on it. */
  cited: string[];
}

/** The sources of an answer (`CUSTOM` `bedrock.citations`), each passage once, with the words that rest on it. */
export function Citations({ citations }: { citations: readonly unknown[] }) {
  const sources = sourcesOf(citations);
  if (sources.length === 0) return null;
  return (
    <ol className="relay-citations" aria-label="Sources">
      {sources.map(({ where, excerpt, cited }) => (
        <li key={JSON.stringify([where, excerpt])}>
          <Place where={where} />
          {cited.map((words) => (
            <q key={words}>{visible(words)}</q>
          ))}
          {excerpt && (
            <details>
              <summary>Passage</summary>
              <blockquote>{visible(excerpt)}</blockquote>
            </details>
          )}
        </li>
      ))}
    </ol>
  );
}

/** A link where it leads to the web, whose text is where it leads. Anything else is text. */
function Place({ where }: { where: string }) {
  const link = safeLink(where);
  if (!link) return <span>{visible(where) || 'A source without an address'}</span>;
  return (
    <a href={link.href} target="_blank" rel="noopener noreferrer nofollow">
      {`${link.host}${link.pathname}${link.search}`}
    </a>
  );
}

function sourcesOf(citations: readonly unknown[]): Source[] {
  const sources = new Map<string, Source>();
  for (const citation of citations) {
    const words = textAt(citation, 'generatedResponsePart', 'textResponsePart', 'text');
    for (const reference of listAt(citation, 'retrievedReferences')) {
      const where = placeOf(at(reference, 'location'));
      const excerpt = textAt(reference, 'content', 'text') ?? '';
      const key = JSON.stringify([where, excerpt]);
      const source = sources.get(key) ?? { where, excerpt, cited: [] };
      sources.set(key, source);
      if (words && !source.cited.includes(words)) source.cited.push(words);
    }
  }
  return [...sources.values()];
}

function placeOf(location: unknown): string {
  for (const [kind, member] of PLACES) {
    const found = textAt(location, kind, member);
    if (found !== undefined) return found;
  }
  return '';
}
