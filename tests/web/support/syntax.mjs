// What `scripts/bundle-page` makes web/syntax.js of: the readers of CodeMirror for the languages that models write
// most, by the names that they give them. They read a line at a time, so that no code keeps the page busy.

import { StringStream } from '@codemirror/streamparser';
import { c, cpp, csharp, java, kotlin } from '@codemirror/legacy-modes/mode/clike';
import { css, sCSS } from '@codemirror/legacy-modes/mode/css';
import { diff } from '@codemirror/legacy-modes/mode/diff';
import { dockerFile } from '@codemirror/legacy-modes/mode/dockerfile';
import { go } from '@codemirror/legacy-modes/mode/go';
import { javascript, json, typescript } from '@codemirror/legacy-modes/mode/javascript';
import { properties } from '@codemirror/legacy-modes/mode/properties';
import { python } from '@codemirror/legacy-modes/mode/python';
import { ruby } from '@codemirror/legacy-modes/mode/ruby';
import { rust } from '@codemirror/legacy-modes/mode/rust';
import { shell } from '@codemirror/legacy-modes/mode/shell';
import { standardSQL } from '@codemirror/legacy-modes/mode/sql';
import { swift } from '@codemirror/legacy-modes/mode/swift';
import { toml } from '@codemirror/legacy-modes/mode/toml';
import { html, xml } from '@codemirror/legacy-modes/mode/xml';
import { yaml } from '@codemirror/legacy-modes/mode/yaml';

export { StringStream };

/** @import { StreamParser } from '@codemirror/streamparser' */

/** @type {[StreamParser<any>, string][]} */
const named = [
  [c, 'c h'],
  [cpp, 'cpp c++ cc cxx hpp arduino'],
  [csharp, 'csharp c# cs'],
  [css, 'css'],
  [diff, 'diff patch'],
  [dockerFile, 'dockerfile docker containerfile'],
  [go, 'go golang'],
  [html, 'html htm vue svelte'],
  [java, 'java groovy'],
  [javascript, 'javascript js jsx mjs cjs node'],
  [json, 'json jsonc json5 jsonl ndjson'],
  [kotlin, 'kotlin kt kts'],
  [properties, 'properties ini env dotenv'],
  [python, 'python py python3 pycon'],
  [ruby, 'ruby rb'],
  [rust, 'rust rs'],
  [sCSS, 'scss'],
  [shell, 'shell bash sh zsh ksh'],
  [standardSQL, 'sql mysql postgresql postgres sqlite'],
  [swift, 'swift'],
  [toml, 'toml'],
  [typescript, 'typescript ts tsx mts cts'],
  [xml, 'xml svg xhtml rss plist'],
  [yaml, 'yaml yml'],
];

/** The readers by their names. @type {Map<string, StreamParser<any>>} */
export const languages = new Map(
  named.flatMap(([language, names]) => names.split(' ').map((name) => [name, language])),
);
