// What the page uses of marked.esm.js.

export interface Token { type: string; raw: string; text: string; tokens?: Token[]; [key: string]: any }
export namespace Tokens {
  interface ListItem extends Token { task: boolean; loose: boolean; tokens: Token[] }
  interface List extends Token { ordered: boolean; start: number | ''; loose: boolean; items: ListItem[] }
  interface TableCell { text: string; tokens: Token[]; align: 'left' | 'center' | 'right' | null }
  interface Table extends Token { header: TableCell[]; rows: TableCell[][] }
}
export interface Options { tokenizer?: Tokenizer | null; [key: string]: unknown }
export function getDefaults(): Options;
export class Tokenizer {
  lexer: Lexer;
  blockquote(src: string): Token | undefined;
  list(src: string): Token | undefined;
  tag(src: string): Token | undefined;
  emStrong(src: string, maskedSrc: string, prevChar?: string): Token | undefined;
  del(src: string, maskedSrc: string, prevChar?: string): Token | undefined;
}
export class Lexer {
  constructor(options?: Options);
  tokens: Token[] & { links: Record<string, { href: string; title: string | null }> };
  state: { inLink: boolean; inRawBlock: boolean; top: boolean };
  lex(src: string): Token[];
  blockTokens(src: string, tokens?: Token[]): Token[];
  inline(src: string, tokens?: Token[]): Token[];
}
