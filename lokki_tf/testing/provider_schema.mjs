// Passes the calls of Terraform on to a provider, but answers those for its schema itself: with the
// types of resources that the files of a configuration and its state name, not with all 1,600.
// Without this, each command needs a second of processor time and a gigabyte to build and read them.
// A provider with the same settings as before is not configured again either: with endpoints, which it
// compares with all services, that takes four seconds, twice a command.
//
// node provider_schema.mjs SOCKET SOCKET_OF_PROVIDER FOLDER…
//
// Source: Terraform's protocol of plugins, docs/plugin-protocol/tfplugin5.proto: GetProviderSchema.
import { readdirSync, readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import { join } from 'node:path';

const GET_SCHEMA = '/tfplugin5.Provider/GetSchema';
const CONFIGURE = '/tfplugin5.Provider/Configure';
const PREPARE = '/tfplugin5.Provider/PrepareProviderConfig';
const BY_TYPE = [2, 3]; // resource_schemas, data_source_schemas
const FRAME = 5; // bytes before a message: whether it is compressed, its length
const NAMING = /\.tf(\.json|state)?$/;

const [socket, socketOfProvider, ...folders] = process.argv.slice(2);
const connect = { createConnection: () => net.connect(socketOfProvider) };
const provider = http2.connect('http://localhost', connect);
let schemas; // of all types, as bytes of the message's fields
const last = new Map(); // request and answer, by call

function* fields(bytes) {
  let at = 0;
  const number = () => {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  };
  while (at < bytes.length) {
    const begin = at;
    const tag = number();
    if (![0, 2].includes(tag & 7)) throw new Error(`unexpected wire type ${tag & 7}`);
    const length = number();
    const from = at;
    if ((tag & 7) === 2) at += length;
    yield { id: tag >> 3, whole: bytes.subarray(begin, at), content: bytes.subarray(from, at) };
  }
}

const read = (message) =>
  [...fields(message.subarray(FRAME))].map(({ id, whole, content }) => ({
    whole,
    type: BY_TYPE.includes(id) ? fields(content).next().value.content.toString() : null,
  }));

const namedTypes = () => {
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true })
      .filter((name) => NAMING.test(name))
      .map((name) => readFileSync(join(folder, name), 'utf8')));
  return new Set(files.flatMap((text) => text.match(/\baws_\w+/g) ?? []));
};

const reply = (stream, message) => {
  stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  stream.end(message);
};

const answerSchema = (stream) => {
  const named = namedTypes();
  const wanted = schemas.filter(({ type }) => type === null || named.has(type));
  const message = Buffer.concat([Buffer.alloc(FRAME), ...wanted.map(({ whole }) => whole)]);
  message.writeUInt32BE(message.length - FRAME, 1);
  reply(stream, message);
};

const whole = async (stream) => Buffer.concat(await stream.toArray());

const ask = (headers, request) => {
  const call = provider.request(headers);
  call.end(request);
  return whole(call);
};

const own = async (stream, headers) => {
  const path = headers[':path'];
  const request = await whole(stream);
  if (path === GET_SCHEMA) {
    schemas ??= read(await ask(headers, request));
    return answerSchema(stream);
  }
  const known = last.get(path);
  if (known?.request.equals(request)) return reply(stream, known.answer);
  last.delete(path);
  const answer = await ask(headers, request);
  const isRefusal = path === CONFIGURE && answer.length > FRAME;
  if (!isRefusal) last.set(path, { request, answer });
  reply(stream, answer);
};

const passOn = (stream, headers) => {
  const call = provider.request(headers);
  let trailers = {};
  stream.pipe(call).pipe(stream);
  call.on('response', (answered) => stream.respond(answered, { waitForTrailers: true }));
  call.on('trailers', (received) => { trailers = received; });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.on('close', () => call.close());
  for (const end of [stream, call]) end.on('error', () => stream.close());
};

const server = http2.createServer();
server.on('stream', (stream, headers) => {
  if (![GET_SCHEMA, PREPARE, CONFIGURE].includes(headers[':path'])) return passOn(stream, headers);
  own(stream, headers).catch(() => stream.close());
});
server.listen(socket, () => console.log('ready'));
process.stdin.on('end', () => process.exit()).resume();
