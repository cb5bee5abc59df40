/**
 * The part of ESLint's rule API that the rules use: ESLint 9 and 10 have it, and oxlint for its JS plugins. headgate imports no linter, so
 * its types are written down here.
 *
 * A syntax tree is ESTree's, with the nodes that typescript-eslint adds for TypeScript.
 */

/** A node of the syntax tree. {@link is} says which one. */
export interface Node {
  readonly type: string;
  readonly range: readonly [start: number, end: number];
  readonly loc: { readonly start: { readonly line: number } };
  readonly parent: Node | null | undefined;
}

/** The nodes that the rules look into, and what each has. */
export interface Parts {
  ArrayExpression: { readonly elements: readonly (Node | null)[] };
  ArrayPattern: { readonly elements: readonly (Node | null)[] };
  ArrowFunctionExpression: { readonly params: readonly Node[]; readonly body: Node };
  AssignmentExpression: { readonly operator: string; readonly left: Node; readonly right: Node };
  AssignmentPattern: { readonly left: Node; readonly right: Node };
  AwaitExpression: { readonly argument: Node };
  BinaryExpression: { readonly operator: string; readonly left: Node; readonly right: Node };
  BlockStatement: { readonly body: readonly Node[] };
  BreakStatement: { readonly label: Node | null };
  CallExpression: { readonly callee: Node; readonly arguments: readonly Node[] };
  ChainExpression: { readonly expression: Node };
  ClassBody: { readonly body: readonly Node[] };
  ConditionalExpression: { readonly test: Node; readonly consequent: Node; readonly alternate: Node };
  ContinueStatement: { readonly label: Node | null };
  DoWhileStatement: object;
  ExpressionStatement: { readonly expression: Node };
  ForInStatement: object;
  ForOfStatement: { readonly await: boolean; readonly right: Node };
  ForStatement: object;
  FunctionDeclaration: { readonly params: readonly Node[] };
  FunctionExpression: { readonly params: readonly Node[] };
  Identifier: { readonly name: string; readonly typeAnnotation?: Node };
  IfStatement: { readonly test: Node; readonly consequent: Node; readonly alternate: Node | null };
  ImportDeclaration: { readonly source: { readonly value: unknown }; readonly specifiers: readonly Node[] };
  ImportNamespaceSpecifier: { readonly local: NodeOf<"Identifier"> };
  ImportSpecifier: { readonly local: NodeOf<"Identifier">; readonly imported: Node };
  LabeledStatement: { readonly label: Node };
  Literal: { readonly value: unknown };
  LogicalExpression: { readonly operator: string; readonly left: Node; readonly right: Node };
  MemberExpression: { readonly object: Node; readonly property: Node; readonly computed: boolean };
  NewExpression: { readonly callee: Node };
  ObjectExpression: { readonly properties: readonly Node[] };
  ObjectPattern: { readonly properties: readonly Node[] };
  PrivateIdentifier: { readonly name: string };
  Program: { readonly body: readonly Node[] };
  Property: { readonly key: Node; readonly value: Node; readonly computed: boolean };
  PropertyDefinition: { readonly key: Node; readonly value: Node | null; readonly typeAnnotation?: Node };
  ReturnStatement: object;
  SpreadElement: { readonly argument: Node };
  SwitchCase: { readonly consequent: readonly Node[] };
  SwitchStatement: object;
  ThisExpression: object;
  ThrowStatement: object;
  TryStatement: { readonly block: Node; readonly finalizer: Node | null };
  TSAsExpression: { readonly expression: Node };
  TSNonNullExpression: { readonly expression: Node };
  TSParameterProperty: { readonly parameter: Node };
  TSQualifiedName: { readonly left: Node; readonly right: Node };
  TSSatisfiesExpression: { readonly expression: Node };
  TSTypeAnnotation: { readonly typeAnnotation: Node };
  TSTypeReference: { readonly typeName: Node };
  TSUnionType: { readonly types: readonly Node[] };
  UnaryExpression: { readonly operator: string; readonly argument: Node };
  VariableDeclaration: { readonly kind: string };
  VariableDeclarator: { readonly id: Node; readonly init: Node | null };
  WhileStatement: { readonly test: Node; readonly body: Node };
}

/** A node of one of these types. */
export type NodeOf<T extends keyof Parts> = T extends T ? Node & { readonly type: T } & Parts[T] : never;

/** Whether a node is of one of these types. */
export function is<T extends keyof Parts>(node: Node | null | undefined, ...types: readonly T[]): node is NodeOf<T> {
  return node !== null && node !== undefined && (types as readonly string[]).includes(node.type);
}

/** Whether a node is a function, of any kind. */
export function isFunction(
  node: Node | null | undefined,
): node is NodeOf<"ArrowFunctionExpression" | "FunctionDeclaration" | "FunctionExpression"> {
  return is(node, "ArrowFunctionExpression", "FunctionDeclaration", "FunctionExpression");
}

/** The name of an Identifier or a PrivateIdentifier; undefined for any other node. */
export function nameOf(node: Node | null | undefined): string | undefined {
  return is(node, "Identifier", "PrivateIdentifier") ? node.name : undefined;
}

/** A use of a variable. */
export interface Reference {
  readonly identifier: Node;
  isRead(): boolean;
}

export interface Definition {
  /** "Variable", "Parameter", "ImportBinding", … */
  readonly type: string;
  /** The declared identifier. */
  readonly name: Node;
  /** What declares it: a VariableDeclarator, a function, … */
  readonly node: Node;
}

export interface Variable {
  readonly name: string;
  readonly defs: readonly Definition[];
  readonly references: readonly Reference[];
}

export interface Scope {
  /** "function", "block", "module", "global", … */
  readonly type: string;
  readonly upper: Scope | null;
  readonly variables: readonly Variable[];
  readonly set: ReadonlyMap<string, Variable>;
}

/** typescript-eslint's services. Without a program there are no types, and oxlint has none. */
export interface ParserServices {
  readonly program?: { getTypeChecker(): { getNonNullableType(type: Type): Type } } | null;
  getTypeAtLocation?(node: Node): Type;
}

/** A type of the TypeScript compiler. */
export interface Type {
  readonly flags: number;
  readonly symbol?: TypeSymbol;
  readonly aliasSymbol?: TypeSymbol;
}

export interface TypeSymbol {
  readonly name: string;
  readonly declarations?: readonly { getSourceFile(): { readonly fileName: string } }[];
}

export interface SourceCode {
  readonly ast: NodeOf<"Program">;
  readonly parserServices?: ParserServices;
  getText(node: Node): string;
  getScope(node: Node): Scope;
}

/** A stretch of code without a branch. */
export interface Segment {
  readonly id: string;
  readonly nextSegments: readonly Segment[];
}

/** The ways through a function, or a module. */
export interface CodePath {
  /** "function", "program", … */
  readonly origin: string;
  /** The segments in which it returns; those that throw are not among them. */
  readonly returnedSegments: readonly Segment[];
}

export interface Report {
  readonly node: Node;
  readonly messageId: string;
  readonly data?: { readonly [name: string]: string };
}

/** What a linter hands to a rule for a file. */
export interface RuleContext {
  readonly sourceCode: SourceCode;
  readonly settings?: { readonly [plugin: string]: unknown };
  report(report: Report): void;
}

/** What a rule looks at: a function for each type of node, and for the events of code paths. */
export interface Listeners {
  readonly [event: string]: (...args: any[]) => void;
}
