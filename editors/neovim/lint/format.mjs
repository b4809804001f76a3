// Formats Lua files with StyLua: node format.mjs [--check] FILE...
import { readFileSync, writeFileSync } from "node:fs";
import { Config, formatCode, IndentType, LuaVersion, OutputVerification, QuoteStyle } from "@johnnymorganz/stylua";

const check = process.argv[2] === "--check";

// formatCode consumes its configuration, so each file needs a separate one
function styled() {
  const config = Config.new();
  config.syntax = LuaVersion.LuaJIT;
  config.column_width = 120;
  config.indent_type = IndentType.Spaces;
  config.indent_width = 2;
  config.quote_style = QuoteStyle.AutoPreferSingle;
  return config;
}

let unformatted = 0;
for (const file of process.argv.slice(check ? 3 : 2)) {
  const code = readFileSync(file, "utf8");
  const formatted = formatCode(code, styled(), undefined, OutputVerification.Full);
  if (formatted === code) continue;
  unformatted += 1;
  if (check) console.error(`${file} is not formatted; run: make format-lua`);
  else writeFileSync(file, formatted);
}
process.exitCode = check && unformatted > 0 ? 1 : 0;
