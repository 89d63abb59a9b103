// What people call the types of files.

import { t } from '../lib/words.js';
import { visible } from '../lib/visible.js';

/** @param {string} type a media type, whatever it is */
export function typeInWords(type) {
  const plain = type.split(';', 1)[0]?.trim().toLowerCase() ?? '';
  const [family] = plain.split('/');
  const office = /\.(spreadsheet|wordprocessing|presentation)ml\.|ms-?(excel|word|powerpoint)/.exec(plain);
  switch (office?.[1] ?? office?.[2] ?? plain) {
    case 'spreadsheet':
    case 'excel':
      return t('Excel workbook');
    case 'wordprocessing':
    case 'word':
      return t('Word document');
    case 'presentation':
    case 'powerpoint':
      return t('PowerPoint presentation');
    case 'application/pdf':
      return t('PDF document');
    case 'application/zip':
      return t('ZIP archive');
    case 'application/json':
      return t('JSON file');
    case 'text/csv':
      return t('CSV table');
    case 'text/markdown':
      return t('Markdown text');
    case 'text/html':
      return t('Web page');
    case 'text/plain':
      return t('Plain text');
    case '':
    case 'application/octet-stream':
      return t('unknown type');
  }
  const picture = /^image\/(png|jpeg|gif|webp|avif|svg)\b/.exec(plain)?.[1];
  if (picture !== undefined) return t('{format} image', { format: picture.toUpperCase() });
  if (family === 'audio') return t('Audio');
  if (family === 'video') return t('Video');
  return visible(type);
}
