// What sends files, in pieces: web/chat/attachments.js loads it with the first file, and all that it needs, then.

export { Uploads } from './relay/upload.js';
