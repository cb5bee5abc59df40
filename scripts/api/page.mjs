/**
 * The page docs/api.md: every public name in a line, made from the docstrings that TypeDoc has read.
 *
 * It also finds what a docstring lacks. A name has one. What waits says what the end of its ctx does, in a **Cancellation** line that begins
 * as one of the standard sentences does. A member that is "As `Chan.send`" has the line of that; a method without a line has its interface's.
 */
import { ReflectionKind } from "typedoc";

/** How a **Cancellation** line begins, and what the page says for it. */
const STANDARD = [
  // The wait ends, and nothing has happened.
  /^when `ctx` ends first, (`next\(\)` )?rejects with `ctx\.err\(\)`/,
  // It ends in an orderly way, and says how.
  /^the end of `(ctx|parent)` /,
  /^takes no ctx\b/,
];

/** What a program hands to headgate, or a client has: it is called, not to be called. Its methods are no rows of the page. */
const HANDED =
  /^(Nats|Rabbit|Pubsub|Postgres|IoRedis|NodeRedis)(Connection|Channel|Client|Pool|Queryable|Publisher|Subscriber|Headers|Message)$|^Lab$|^Otel/;

/** The interfaces whose properties are rows: the program does not make such objects, it gets them. */
const MAIN = new Set(["Context", "Bubble"]);

/** Of every object: they say nothing of its use. */
const OF_ALL = new Set(["constructor", "describe", "toJSON", "toString", "name", "message", "stack", "cause", "type"]);

const KINDS = [
  ReflectionKind.Function,
  ReflectionKind.Variable,
  ReflectionKind.Class,
  ReflectionKind.Interface,
  ReflectionKind.TypeAlias,
];

const textOf = (parts) => parts.map((part) => part.text).join("");

/** All that a docstring says, and its tags `@see`. */
function commentOf(reflection) {
  const callable = signatureOf(reflection);
  const comment = callable?.comment ?? reflection.comment ?? reflection.getSignature?.comment;
  const said = [comment?.summary ?? [], ...(comment?.blockTags ?? []).map(({ content }) => content)];
  return {
    summary: textOf(comment?.summary ?? []).trim(),
    all: said.map(textOf).join("\n\n"),
    sees: (comment?.blockTags ?? []).filter(({ tag }) => tag === "@see").map(({ content }) => textOf(content)),
  };
}

/** How it is called, if it is a function, a method, or a property that is one. */
function signatureOf(reflection) {
  return (
    reflection.signatures?.[0] ??
    (reflection.kindOf(ReflectionKind.Property) ? reflection.type?.declaration?.signatures?.[0] : undefined)
  );
}

/** The first sentence of a docstring, without the numbers of docs/semantics.md. */
function briefOf(reflection) {
  const { summary } = commentOf(reflection);
  const [first] = plain(summary.split("\n\n")[0]).split(/(?<=\.) (?=[A-Z`{"])/);
  return first ?? "";
}

/** A docstring's text in a cell of a table. */
const plain = (text) =>
  text
    // As they are written, and as the reference links them.
    .replaceAll(/ \((?:\[?[A-Z]\d+(?:\]\(semantics\.md\))?(?:, )?)+\)/g, "")
    .replaceAll(/\s+/g, " ")
    .trim();

/** The line of a docstring that says what the end of the ctx does. */
function cancellationOf(reflection, named) {
  const { all, summary } = commentOf(reflection);
  const [, line] = /\*\*Cancellation\*\*: ([^]*?)(?:\n\n|$)/.exec(all) ?? [];
  if (line !== undefined) return plain(line);
  const [, as] = /^As `([\w.]+)`/.exec(summary) ?? [];
  const other = as === undefined ? undefined : named.get(as);
  if (other !== undefined && other !== reflection) return cancellationOf(other, named);
  const { parent } = reflection;
  return parent?.kindOf(ReflectionKind.Interface) ? cancellationOf(parent, named) : undefined;
}

/** Whether it hands out what is there later. */
const waits = (signature) => /^(Promise|AsyncIterableIterator|AsyncIterable)</.test(signature?.type?.toString() ?? "");

/** Go's name for it, as a link. */
function goOf(reflection) {
  const links = commentOf(reflection).sees.flatMap((see) => /^Go's (\[[^\]]+\]\([^)]+\))/.exec(see)?.slice(1) ?? []);
  return links[0] ?? "";
}

function shortType(type) {
  const text = (type?.toString() ?? "").replaceAll("readonly ", "");
  return text.length > 40 ? "" : text;
}

/** A name with its parameters and its result, as in a program. */
function signatureText(name, reflection) {
  const signature = signatureOf(reflection);
  if (signature === undefined) return name;
  const parameters = (signature.parameters ?? []).map(({ name, flags, defaultValue }) => {
    const isOptional = flags.isOptional || defaultValue !== undefined;
    return `${flags.isRest ? "..." : ""}${name === "__namedParameters" ? "options" : name}${isOptional ? "?" : ""}`;
  });
  const type = shortType(signature.type);
  return `${name}(${parameters.join(", ")})${type === "" ? "" : `: ${type}`}`;
}

function constructorText(name, reflection) {
  const made = reflection.children?.find(({ kind }) => kind === ReflectionKind.Constructor);
  const isError = reflection.children?.some(({ name }) => name === "stack");
  return made === undefined || isError ? name : signatureText(`new ${name}`, made).replace(/: .*$/, "");
}

/** The members that get a line of their own: what can be called, and is this package's. */
function membersOf(reflection) {
  if (HANDED.test(reflection.name)) return [];
  return (reflection.children ?? []).filter(
    (child) =>
      // What a broker has of `Source` has its rows there.
      child.overwrites === undefined &&
      child.inheritedFrom === undefined &&
      !OF_ALL.has(child.name) &&
      !child.name.startsWith("[") &&
      !isOption(reflection) &&
      (signatureOf(child) !== undefined || isProperty(reflection, child)),
  );
}

/** Whether it is a value to read: a property of a class that a program cannot set, or of an interface that classes implement. */
const isProperty = (reflection, child) =>
  (child.kind === ReflectionKind.Accessor || (child.kind === ReflectionKind.Property && child.flags.isReadonly)) &&
  (reflection.kind === ReflectionKind.Class || MAIN.has(reflection.name));

/** Functions among options are the program's. */
const isOption = ({ name }) => /Options$|^Case$/.test(name);

const cell = (text) => text.replaceAll("|", "\\|");

/** A row of the page. */
function rowOf(name, text, reflection, named) {
  const signature = signatureOf(reflection);
  const file =
    reflection.sources?.[0]?.fileName ?? signature?.sources?.[0]?.fileName ?? reflection.parent?.sources?.[0]?.fileName;
  // The first sentence.
  const [cancels] = waits(signature) ? (cancellationOf(reflection, named) ?? "").split(/(?<=\.) (?=[A-Z`])/) : [""];
  const cells = [
    `[\`${cell(text)}\`](../${file})`,
    cell(briefOf(reflection)),
    goOf(reflection),
    waits(signature) ? "yes" : "",
    cell(cancels),
  ];
  return { row: `| ${cells.join(" | ")} |`, name, reflection };
}

const isModule = (reflection) => reflection.getTargetReflectionDeep().kindOf(ReflectionKind.Module);

/** The names of an entry point that are its own, and their members. */
function rowsOf(module, prefix, named) {
  const own = (module.children ?? []).filter((child) => !child.isReference());
  own.sort((a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || a.name.localeCompare(b.name, "en"));
  return own.flatMap((reflection) => {
    const name = `${prefix}${reflection.name}`;
    const isClass = reflection.kind === ReflectionKind.Class;
    const text = isClass ? constructorText(name, reflection) : signatureText(name, reflection);
    const members = membersOf(reflection).map((member) => {
      const path = `${name}.${member.name}`;
      return rowOf(path, signatureText(path, member), member, named);
    });
    return [rowOf(name, text, reflection, named), ...members];
  });
}

/** The page, the number of its names, and what is wrong with the docstrings. */
export function page(project) {
  const named = new Map();
  for (const reflection of project.getReflectionsByKind(ReflectionKind.All)) {
    const { parent, name } = reflection;
    if (parent?.kindOf([ReflectionKind.Class, ReflectionKind.Interface]))
      named.set(`${parent.name}.${name}`, reflection);
  }
  const modules = project.getChildrenByKind(ReflectionKind.Module);
  const handed = (module) => (module.children ?? []).filter((child) => child.isReference());
  const spaces = new Map(
    modules
      .flatMap(handed)
      .filter(isModule)
      .map((child) => [child.getTargetReflectionDeep(), `${child.name}.`]),
  );
  const sections = modules.map((module) => {
    const prefix = spaces.get(module) ?? "";
    const rows = rowsOf(module, prefix, named);
    const faults = rows.flatMap(({ name, reflection }) => faultsOf(`${module.name}: ${name}`, reflection, named));
    return { text: sectionOf(module, rows, handed(module), prefix), faults, count: rows.length };
  });
  return {
    text: [HEAD, ...sections.map(({ text }) => text), TAIL].join("\n"),
    faults: sections.flatMap(({ faults }) => faults),
    count: sections.reduce((sum, { count }) => sum + count, 0),
  };
}

function faultsOf(name, reflection, named) {
  if (commentOf(reflection).summary === "") return [`${name} has no docstring`];
  if (!waits(signatureOf(reflection))) return [];
  const line = cancellationOf(reflection, named);
  if (line === undefined) return [`${name} waits, and has no **Cancellation** line`];
  return STANDARD.some((sentence) => sentence.test(line))
    ? []
    : [`${name} has no standard sentence of cancellation: ${line}`];
}

/** The names that an entry point has from another. */
function handedText(handed) {
  const names = handed.filter((child) => !isModule(child));
  const spaces = handed.filter(isModule);
  const texts = [];
  if (spaces.length > 0) {
    const links = spaces.map((child) => {
      const target = child.getTargetReflectionDeep().name;
      return `[\`${child.name}\`](#${target.replaceAll("/", "")})`;
    });
    texts.push(`It also has the packages ${links.join(", ")}.`);
  }
  if (names.length > 0) {
    const list = names.map(({ name }) => `\`${name}\``).join(", ");
    texts.push(`From [\`headgate\`](#headgate) it has ${list}.`);
  }
  return texts;
}

function sectionOf(module, rows, handed, prefix) {
  const texts = [
    ...(prefix === ""
      ? []
      : [`In \`headgate\` this package is \`${prefix.slice(0, -1)}\`. The subpath exports the names without it.`]),
    ...handedText(handed),
  ];
  const table =
    rows.length === 0
      ? []
      : [
          "",
          "| name | what it does | Go | waits | when its `ctx` ends |",
          "| --- | --- | --- | --- | --- |",
          ...rows.map(({ row }) => row),
        ];
  return [`## ${module.name}`, ...texts.flatMap((text) => ["", text]), ...table, ""].join("\n");
}

const HEAD = `# Every public name

<!-- Written by npm run docs:api, from the docstrings. -->

_For everyone who looks something up. Read [start.md](start.md) first if headgate is new to you._

A name leads to its source. "Waits" says that it returns a promise, or an iterator of promises. The last column says what the end of the
\`ctx\` does to that wait. The whole docstring stands in your editor, and in the API reference that \`npm run docs:api\` makes.
`;

const TAIL = `## Where to go

- [semantics.md](semantics.md) has each behaviour of Go with headgate's answer and its test.
- [testing.md](testing.md), [worker.md](worker.md) and [saga.md](saga.md) show the larger parts at work.
`;
