// Tells what react-refresh's Babel plugin does to modules. Reads a JSON array of { name, source, edits } and writes one of
// { ...result, edits: [{ what, source, ...result }] }, where a result is what is registered and what is signed, by name.
// Edits are those given and some made up, up to the number that is the argument.
import { readFileSync } from "node:fs";
import babel from "@babel/core";
import typescript from "@babel/plugin-syntax-typescript";
import refresh from "react-refresh/babel";

const { traverse, types: t } = babel;

function parse(source, extra = []) {
  return babel.transformSync(source, {
    ast: true, code: false, configFile: false, babelrc: false, filename: "main.tsx", compact: false,
    parserOpts: { allowReturnOutsideFunction: true, plugins: ["jsx", "decorators", "decoratorAutoAccessors", "explicitResourceManagement"] },
    plugins: [[typescript, { isTSX: true }], ...extra],
  }).ast;
}

/** What the plugin registers, and the signatures of what a top-level name leads to. */
function analyze(source) {
  const ast = parse(source, [[refresh, { skipEnvCheck: true, emitFullSignatures: true }]]);
  const registered = [];
  const signatures = {};
  traverse(ast, {
    Program(path) {
      path.scope.crawl();
    },
    CallExpression(path) {
      const { callee, arguments: args } = path.node;
      if (callee.name === "$RefreshReg$") registered.push(args[1].value);
      if (!/^_s\d*$/.test(callee.name) || args.length < 2) return;
      const name = nameOf(path);
      if (!name) return;
      const hooks = args[3]?.body.body[0].argument.elements ?? [];
      const scope = path.scope.getProgramParent();
      const out = { key: args[1].value, reset: args[2]?.value ?? false, hooks: [] };
      for (const hook of hooks) {
        let root = hook;
        while (t.isMemberExpression(root)) root = root.object;
        // Where it is looked up, a local hook is not to be seen, and react-refresh takes that for a reset.
        if (scope.hasBinding(root.name)) out.hooks.push(dotted(hook));
        else out.reset = true;
      }
      signatures[name] ??= [];
      if (!signatures[name].some((s) => s.key === out.key)) signatures[name].push(out);
    },
  });
  // Inner functions of memo() and the like are registered as Name$memo.
  return { registered: registered.filter((n) => !registered.some((o) => n.startsWith(`${o}$`))), signatures };
}

/** The top-level name that what _s() gets, or returns, ends up under. */
function nameOf(path) {
  if (path.parentPath.isExpressionStatement()) {
    return path.parentPath.parentPath.isProgram() || path.parentPath.parentPath.isExportDeclaration() ? path.node.arguments[0].name : "";
  }
  let name = "";
  for (let p = path; ; p = p.parentPath) {
    const { node, parentPath, key } = p;
    const parent = parentPath.node;
    switch (parent.type) {
      case "CallExpression":
        if (key === "callee") return "";
        continue;
      case "ObjectExpression":
      case "ConditionalExpression":
      case "ClassBody":
      case "TSAsExpression":
      case "TSSatisfiesExpression":
      case "LogicalExpression":
        continue;
      case "ObjectProperty":
      case "ClassProperty":
        if (parent.key.name === undefined && parent.key.value === undefined) return "";
        name = `.${parent.key.name ?? parent.key.value}${name}`;
        continue;
      case "ClassDeclaration":
      case "ClassExpression":
        if (parent.id) return `${parent.id.name}${name}`;
        continue;
      case "AssignmentExpression":
        if (/^_c\d*$/.test(parent.left.name)) continue;
        return parentPath.parentPath.parentPath?.isProgram() ? `${dotted(parent.left)}${name}` : "";
      case "VariableDeclarator": {
        const at = parentPath.parentPath.parentPath;
        return at.isProgram() || at.isExportDeclaration() ? `${parent.id.name}${name}` : "";
      }
      case "ExportDefaultDeclaration":
        return `%default%${name}`;
      default:
        return node && "";
    }
  }
}

function dotted(node) {
  return t.isMemberExpression(node) ? `${dotted(node.object)}.${node.property.name}` : (node.name ?? "?");
}

/** Makes up edits of what matters to signatures, and of what does not. */
function* inventEdits(source, limit) {
  const ast = parse(source);
  const edits = [];
  const edit = (what, ...changes) => edits.push({ what, changes });
  const replace = (what, { start, end }, text) => edit(what, { start, end, text });
  const insert = (what, at, text) => edit(what, { start: at, end: at, text });
  const rename = (what, binding) => {
    const nodes = [binding.identifier, ...binding.referencePaths.map((p) => p.node)];
    edit(what, ...nodes.map(({ start, name }) => ({ start: start + name.length, end: start + name.length, text: "Renamed" })));
  };
  let n = 0;
  traverse(ast, {
    CallExpression(path) {
      const { callee, arguments: args } = path.node;
      const name = callee.name ?? callee.property?.name;
      const fn = path.getFunctionParent();
      if (!/^use[A-Z]/.test(name) || !fn) return;
      const at = `${name} at line ${path.node.loc.start.line}`;
      const body = fn.node.body;
      const kinds = [
        () => path.parent.id?.elements?.[0]?.name && rename(`rename what ${at} gives`, path.scope.getBinding(path.parent.id.elements[0].name)),
        () => args[0] && replace(`another first argument for ${at}`, args[0], '"edited"'),
        () => replace(`no ${at}`, path.node, "null"),
        () => t.isBlockStatement(body) && insert(`one more hook before ${at}`, body.start + 1, "useDebugValue(0);"),
        () => t.isBlockStatement(body) && insert(`no hook before ${at}`, body.start + 1, "console.log(0);"),
        () => args[1] && replace(`another second argument for ${at}`, args[1], '"edited"'),
        () => path.parentPath.isVariableDeclarator() && path.parent.id.name && rename(`rename the variable of ${at}`, path.scope.getBinding(path.parent.id.name)),
      ];
      for (let i = 0; i < kinds.length; i++) if (kinds[n++ % kinds.length]()) break;
    },
  });
  const step = Math.max(1, edits.length / limit);
  for (let i = 0; i < edits.length; i += step) {
    const { what, changes } = edits[Math.floor(i)];
    let edited = source;
    for (const { start, end, text } of changes.sort((a, b) => b.start - a.start)) edited = edited.slice(0, start) + text + edited.slice(end);
    yield { what, source: edited };
  }
}

const limit = Number(process.argv[2]);
const out = [];
for (const { name, source, edits } of JSON.parse(readFileSync(0, "utf8"))) {
  try {
    const results = [];
    for (const edit of [...(edits ?? []), ...inventEdits(source, limit)]) {
      try {
        results.push({ ...edit, ...analyze(edit.source) });
      } catch {
        // It has made nonsense of the source.
      }
    }
    out.push({ ...analyze(source), edits: results });
  } catch (err) {
    out.push({ error: `${name}: ${err.message}` });
  }
}
process.stdout.write(JSON.stringify(out));
