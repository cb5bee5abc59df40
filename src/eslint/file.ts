/**
 * What a file knows of headgate: its imports, the kinds of its values, and the contexts in scope.
 *
 * No types are needed. A kind comes from an import, `new`, an annotation, a field of the class, or a callback that headgate calls. Where
 * typescript-eslint has types, they are asked first, and so a channel is found behind an interface, too.
 */
import {
  type Definition,
  is,
  isFunction,
  nameOf,
  type Node,
  type NodeOf,
  type RuleContext,
  type SourceCode,
  type Type,
  type Variable,
} from "./api.ts";
import {
  cancelIndex,
  CONTEXT_MEMBERS,
  CONTEXT_SIGNS,
  isEndless,
  type Kind,
  kindOfClass,
  kindOfParameter,
  kindOfResult,
  kindOfType,
  METHODS,
  prefixOf,
  takesContext,
  type Wait,
  waitOf,
} from "./names.ts";

/** A call that waits. */
export interface Waiting extends Wait {
  readonly call: NodeOf<"CallExpression">;
  /** Such as `Chan.recv`. */
  readonly path: string;
  /** As it is written, such as `jobs.recv`. */
  readonly text: string;
}

export class File {
  readonly code: SourceCode;
  /** What each imported name is: "Chan", "context.withCancel", or a package; "" is headgate itself. */
  private readonly imports: ReadonlyMap<string, string>;
  /** Also holds what is being asked now, so that a question leads never to itself. */
  private readonly kinds: Map<Node, Kind | undefined> = new Map();

  constructor(context: RuleContext) {
    this.code = context.sourceCode;
    this.imports = importsOf(this.code.ast.body, modulesOf(context.settings));
  }

  /** Whether the file imports headgate. */
  get usesHeadgate(): boolean {
    return this.imports.size > 0;
  }

  // -------------------------------------------------------------------------------------------------------------- names

  /** The variable that an identifier means. */
  variable(node: Node | null | undefined): Variable | undefined {
    const name = nameOf(node);
    if (name === undefined || node === null || node === undefined) return undefined;
    for (let scope = this.scopeOf(node); scope !== null; scope = scope.upper) {
      const found = scope.set.get(name);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private scopeOf(node: Node): ReturnType<SourceCode["getScope"]> | null {
    return this.code.getScope(node);
  }

  /** The name of headgate that an expression is, such as `context.withCancel`; undefined: it is none. */
  path(node: Node, depth = 0): string | undefined {
    if (depth > 4) return undefined;
    if (is(node, "MemberExpression")) {
      const base = this.path(node.object, depth + 1);
      return base === undefined || node.computed ? undefined : joined(base, nameOf(node.property));
    }
    if (!is(node, "Identifier")) return undefined;
    const def = this.variable(node)?.defs[0];
    if (def === undefined || def.type === "ImportBinding") return this.imports.get(node.name);
    if (def.type !== "Variable" || !is(def.node, "VariableDeclarator") || def.node.init === null) return undefined;
    const { id, init } = def.node;
    if (is(id, "Identifier")) return this.path(init, depth + 1);
    // const { withCancel } = context;
    const property = is(id, "ObjectPattern")
      ? id.properties.find((one) => is(one, "Property") && !one.computed && one.value === def.name)
      : undefined;
    const base = is(property, "Property") ? this.path(init, depth + 1) : undefined;
    return base === undefined || !is(property, "Property") ? undefined : joined(base, nameOf(property.key));
  }

  /** What a call calls: `context.withCancel`, or for a method `Chan.recv`; undefined: nothing of headgate. */
  callee(call: NodeOf<"CallExpression">): string | undefined {
    const callee = plain(call.callee);
    const path = this.path(callee);
    if (path !== undefined || !is(callee, "MemberExpression") || callee.computed) return path;
    const name = nameOf(callee.property);
    if (name === undefined || !METHODS.has(name)) return undefined;
    const kind = this.kind(callee.object);
    return kind === undefined ? undefined : `${kind}.${name}`;
  }

  /** The wait that an expression is; undefined: it waits for nothing of headgate. */
  waiting(node: Node | null | undefined): Waiting | undefined {
    const call = is(node, "ChainExpression") ? node.expression : node;
    if (!is(call, "CallExpression")) return undefined;
    const path = this.callee(call);
    const wait = waitOf(path);
    return path === undefined || wait === undefined ? undefined : { ...wait, call, path, text: this.text(call.callee) };
  }

  /** A piece of the source, in one line. */
  text(node: Node): string {
    return this.code
      .getText(node)
      .replace(/\s+/g, " ")
      .replace(/ (?=\??\.)/g, "");
  }

  // -------------------------------------------------------------------------------------------------------------- kinds

  /** The kind of what an expression is; undefined: it is not known. */
  kind(node: Node | null | undefined): Kind | undefined {
    if (node === null || node === undefined) return undefined;
    if (!this.kinds.has(node)) {
      this.kinds.set(node, undefined);
      this.kinds.set(node, this.typed(node) ?? this.inferred(node));
    }
    return this.kinds.get(node);
  }

  private inferred(node: Node): Kind | undefined {
    if (is(node, "TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression", "ChainExpression")) {
      return this.kind(node.expression);
    }
    if (is(node, "NewExpression")) return kindOfClass(this.path(node.callee));
    if (is(node, "CallExpression")) return kindOfResult(this.callee(node));
    if (is(node, "LogicalExpression")) return this.kind(node.right) ?? this.kind(node.left);
    if (is(node, "ConditionalExpression")) return this.kind(node.consequent) ?? this.kind(node.alternate);
    if (is(node, "MemberExpression")) return this.kindOfMember(node);
    const def = is(node, "Identifier") ? this.variable(node)?.defs[0] : undefined;
    if (def?.type === "Parameter") return this.kindOfParameter(def);
    if (def?.type !== "Variable" || !is(def.node, "VariableDeclarator")) return undefined;
    const { id, init } = def.node;
    if (is(id, "Identifier")) return this.annotated(id.typeAnnotation) ?? this.kind(init);
    return is(id, "ArrayPattern") ? this.kindOfElement(init, id.elements.indexOf(def.name)) : undefined;
  }

  private kindOfMember({ object, property, computed }: NodeOf<"MemberExpression">): Kind | undefined {
    if (computed) return is(property, "Literal") ? this.kindOfElement(object, Number(property.value)) : undefined;
    const name = nameOf(property);
    if (!is(object, "ThisExpression")) return name === "c" && this.kind(object) === "Ticker" ? "Chan" : undefined;
    for (const member of membersAround(object)) {
      if (nameOf(member.key) !== name || member.key.type !== property.type) continue;
      return this.annotated(member.typeAnnotation) ?? this.kind(member.value);
    }
    const parameter = parameterProperties(object).find((one) => nameOf(one) === name);
    return parameter === undefined ? undefined : this.annotated(parameter.typeAnnotation);
  }

  /** Of an element of the tuple that a call returns. */
  private kindOfElement(call: Node | null, index: number): Kind | undefined {
    return is(call, "CallExpression") ? kindOfResult(this.callee(call), index) : undefined;
  }

  private kindOfParameter({ name: parameter, node: owner }: Definition): Kind | undefined {
    if (!is(parameter, "Identifier")) return undefined;
    if (parameter.typeAnnotation !== undefined && parameter.typeAnnotation !== null) {
      return this.annotated(parameter.typeAnnotation);
    }
    const byDefault = is(parameter.parent, "AssignmentPattern") ? parameter.parent : undefined;
    if (byDefault?.left === parameter && this.kind(byDefault.right) !== undefined) return this.kind(byDefault.right);
    const call = owner.parent;
    if (isFunction(owner) && is(call, "CallExpression") && call.arguments.includes(owner)) {
      const path = this.callee(call);
      const kind = kindOfParameter(path, call.arguments.indexOf(owner), owner.params.indexOf(byDefault ?? parameter));
      if (kind !== undefined) return kind;
    }
    return this.isNamedAsContext(parameter) ? "Context" : undefined;
  }

  /**
   * A parameter without a type that is called ctx is a Context if a use says so, and none wants what no Context has. A web framework's is
   * called so, too.
   */
  private isNamedAsContext(parameter: NodeOf<"Identifier">): boolean {
    if (!/^ctx$|[a-z]Ctx$/.test(parameter.name) || this.typeOf(parameter) !== undefined) return false;
    const uses = this.variable(parameter)?.references ?? [];
    const members = uses.flatMap(({ identifier }) => {
      const { parent } = identifier;
      const isObject = is(parent, "MemberExpression") && parent.object === identifier;
      return isObject && !parent.computed ? [nameOf(parent.property) ?? ""] : [];
    });
    if (!members.every((member) => CONTEXT_MEMBERS.has(member))) return false;
    if (members.some((member) => CONTEXT_SIGNS.has(member))) return true;
    return uses.some(({ identifier }) => {
      const call = identifier.parent;
      if (!is(call, "CallExpression")) return false;
      const argument = call.arguments.indexOf(identifier);
      return argument >= 0 && takesContext(this.callee(call), argument);
    });
  }

  /** The kind of a type annotation; of a union, that of its part of headgate. */
  annotated(annotation: Node | null | undefined): Kind | undefined {
    if (is(annotation, "TSTypeAnnotation")) return this.annotated(annotation.typeAnnotation);
    if (is(annotation, "TSUnionType")) {
      return annotation.types.map((type) => this.annotated(type)).find((kind) => kind !== undefined);
    }
    return is(annotation, "TSTypeReference") ? kindOfClass(this.typePath(annotation.typeName)) : undefined;
  }

  private typePath(name: Node): string | undefined {
    if (is(name, "Identifier")) return this.imports.get(name.name);
    const base = is(name, "TSQualifiedName") ? this.typePath(name.left) : undefined;
    return base === undefined || !is(name, "TSQualifiedName") ? undefined : joined(base, nameOf(name.right));
  }

  /** The kind that the compiler knows. */
  private typed(node: Node): Kind | undefined {
    const type = this.typeOf(node);
    for (const symbol of [type?.aliasSymbol, type?.symbol]) {
      const file = symbol?.declarations?.[0]?.getSourceFile().fileName;
      if (symbol !== undefined && file !== undefined && DECLARED.test(file)) return kindOfType(symbol.name, file);
    }
    return undefined;
  }

  /** The type of an expression; undefined if there are no types here, or it is `any`. */
  private typeOf(node: Node): Type | undefined {
    const { parserServices: services } = this.code;
    const program = services?.program;
    if (program === undefined || program === null || services?.getTypeAtLocation === undefined) return undefined;
    try {
      const type = program.getTypeChecker().getNonNullableType(services.getTypeAtLocation(node));
      return (type.flags & (ANY | UNKNOWN)) === 0 ? type : undefined;
    } catch {
      // A node that the compiler has no counterpart of.
      return undefined;
    }
  }

  // ----------------------------------------------------------------------------------------------------------- contexts

  /**
   * The nearest context in scope that can end, declared before `node`; undefined if there is none. `isGiven` asks for parameters alone: what a
   * function was given, and not what it has made.
   */
  contextAt(node: Node, isGiven: boolean): Variable | undefined {
    for (let scope = this.scopeOf(node); scope !== null; scope = scope.upper) {
      if (scope.type === "module" || scope.type === "global") return undefined;
      const found = scope.variables.filter((variable) => this.isContextBefore(variable, node, isGiven)).at(-1);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private isContextBefore({ name, defs }: Variable, node: Node, isGiven: boolean): boolean {
    const [def] = defs;
    if (def === undefined || name.startsWith("_") || def.name.range[0] > node.range[0]) return false;
    if (def.type === "Parameter") {
      // Its own default.
      const whole = def.name.parent;
      const isDefault = is(whole, "AssignmentPattern") && whole.left === def.name && isInside(node, whole);
      return !isDefault && this.kind(def.name) === "Context";
    }
    if (isGiven || def.type !== "Variable" || !is(def.node, "VariableDeclarator")) return false;
    if (isInside(node, def.node) || this.kind(def.name) !== "Context") return false;
    return !this.isEndless(def.node) && !this.isControlled(def.node);
  }

  private isEndless({ init }: NodeOf<"VariableDeclarator">): boolean {
    return is(init, "CallExpression") && isEndless(this.callee(init));
  }

  /**
   * Whether the code that makes a context also decides when it ends, by more than `using` and `finally`. It waits for what it has cancelled,
   * and such a wait must not end with the context.
   */
  private isControlled({ id, init }: NodeOf<"VariableDeclarator">): boolean {
    const index = this.cancelIndex(init);
    const cancel = index !== undefined && is(id, "ArrayPattern") ? id.elements[index] : undefined;
    return (this.variable(cancel)?.references ?? []).some(({ identifier }) => {
      const call = identifier.parent;
      if (!is(call, "CallExpression")) return false;
      return call.callee !== identifier || !isInFinally(call);
    });
  }

  /** The index of the cancel function in what an expression returns; undefined: it makes none. */
  cancelIndex(node: Node | null): number | undefined {
    return is(node, "CallExpression") ? cancelIndex(this.callee(node)) : undefined;
  }
}

/** The bits of a compiler's type that say nothing of it. */
const ANY = 1;
const UNKNOWN = 2;

/** Where the declarations of headgate are. */
const DECLARED = /[\\/](?:headgate__)?headgate[\\/](?:_?dist|src)[\\/]/;

const joined = (base: string, name: string | undefined): string | undefined =>
  name === undefined || base === "" ? name : `${base}.${name}`;

/** What is inside of `?.`, `!` and `as`. */
function plain(node: Node): Node {
  const isWrapped = is(node, "ChainExpression", "TSAsExpression", "TSNonNullExpression", "TSSatisfiesExpression");
  return isWrapped ? plain(node.expression) : node;
}

/** Whether a node is in a `finally` of the function that it is in. */
export function isInFinally(node: Node): boolean {
  for (let at = node; at.parent !== null && at.parent !== undefined && !isFunction(at); at = at.parent) {
    if (is(at.parent, "TryStatement") && at.parent.finalizer === at) return true;
  }
  return false;
}

export const isInside = (node: Node, outer: Node): boolean =>
  node.range[0] >= outer.range[0] && node.range[1] <= outer.range[1];

/** The setting `headgate.modules`: modules of the program that hand headgate on, as patterns, and the entry point that each stands for. */
function modulesOf(settings: RuleContext["settings"]): readonly (readonly [pattern: RegExp, prefix: string])[] {
  const { modules } = (settings?.["headgate"] ?? {}) as { readonly modules?: unknown };
  if (modules === undefined) return [];
  if (typeof modules !== "object" || modules === null) {
    throw new TypeError(
      'headgate: settings.headgate.modules must be an object such as { "^#concurrency$": "headgate" }',
    );
  }
  return Object.entries(modules).map(([pattern, entry]) => {
    const prefix = typeof entry === "string" ? prefixOf(entry) : undefined;
    if (prefix !== undefined) return [new RegExp(pattern), prefix] as const;
    const advice = 'name one, such as "headgate" or "headgate/context"';
    throw new TypeError(
      `headgate: settings.headgate.modules: ${String(entry)} is no entry point of headgate; ${advice}`,
    );
  });
}

function importsOf(
  body: readonly Node[],
  modules: readonly (readonly [pattern: RegExp, prefix: string])[],
): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const statement of body) {
    if (!is(statement, "ImportDeclaration")) continue;
    const source = String(statement.source.value);
    const prefix = prefixOf(source) ?? modules.find(([pattern]) => pattern.test(source))?.[1];
    if (prefix === undefined) continue;
    for (const specifier of statement.specifiers) {
      if (is(specifier, "ImportNamespaceSpecifier")) found.set(specifier.local.name, prefix.slice(0, -1));
      const name = is(specifier, "ImportSpecifier") ? nameOf(specifier.imported) : undefined;
      if (is(specifier, "ImportSpecifier") && name !== undefined) found.set(specifier.local.name, prefix + name);
    }
  }
  return found;
}

function bodyAround(node: Node): readonly Node[] {
  for (let at = node.parent; at !== null && at !== undefined; at = at.parent) if (is(at, "ClassBody")) return at.body;
  return [];
}

/** The fields of the class around a node. */
function membersAround(node: Node): NodeOf<"PropertyDefinition">[] {
  return bodyAround(node).filter((member) => is(member, "PropertyDefinition"));
}

/** The parameters of its constructor that are fields, too: TypeScript's `constructor(private readonly jobs: Chan<Job>)`. */
function parameterProperties(node: Node): NodeOf<"Identifier">[] {
  return bodyAround(node)
    .map((member) => (member as { readonly value?: Node | null }).value)
    .flatMap((value) => (is(value, "FunctionExpression") ? value.params : []))
    .flatMap((parameter) => (is(parameter, "TSParameterProperty") ? [parameter.parameter] : []))
    .map((parameter) => (is(parameter, "AssignmentPattern") ? parameter.left : parameter))
    .filter((parameter) => is(parameter, "Identifier"));
}
