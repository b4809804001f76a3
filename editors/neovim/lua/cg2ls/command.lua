--- `:Cg2ls`: one command with a subcommand for each manual action.

local say = require('cg2ls.say')

local M = {}

local function cg2ls()
  return require('cg2ls')
end

local function report()
  local status = require('cg2ls.status').now
  local lines = { 'state: ' .. status.state }
  if status.model and status.model ~= '' then
    table.insert(lines, 'model: ' .. status.model)
  end
  if status.latency_ms then
    table.insert(lines, ('last answer: after %.0f ms'):format(status.latency_ms))
  end
  if status.message then
    table.insert(lines, status.message)
  end
  say.say(table.concat(lines, '\n'), vim.log.levels.INFO)
end

---@type table<string, fun(arguments: string[])>
M.commands = {
  status = report,
  enable = function(arguments)
    cg2ls().toggle(true, arguments[1])
  end,
  disable = function(arguments)
    cg2ls().toggle(false, arguments[1])
  end,
  toggle = function(arguments)
    cg2ls().toggle(nil, arguments[1])
  end,
  restart = function()
    require('cg2ls.server').restart()
  end,
  model = function(arguments)
    cg2ls().use_model(arguments[1])
  end,
  install = function(arguments)
    require('cg2ls.install').run(arguments[1])
  end,
  log = function()
    require('cg2ls.log').show()
  end,
  doctor = function()
    vim.cmd.checkhealth('cg2ls')
  end,
}

--- Runs `:Cg2ls SUBCOMMAND ARGUMENTS`; without a subcommand it prints the status.
---@param arguments table as `nvim_create_user_command` gives them
function M.run(arguments)
  local words = vim.list_extend({}, arguments.fargs)
  local name = table.remove(words, 1) or 'status'
  local command = M.commands[name]
  if not command then
    local names = vim.fn.sort(vim.tbl_keys(M.commands))
    say.say(('there is no `:Cg2ls %s`; there are %s.'):format(name, table.concat(names, ', ')))
    return
  end
  command(words)
end

local function begin_with(lead, words)
  return vim.tbl_filter(function(word)
    return vim.startswith(word, lead)
  end, words)
end

--- The names of the models that `cg2ls models list` prints.
local function models()
  local command = require('cg2ls.command_line').with({ 'models', 'list', '--json' })
  local result = command and require('cg2ls.process').wait(command, 5000)
  local decoded, list = pcall(vim.json.decode, result and result.stdout or '')
  local names = {}
  for _, model in ipairs(decoded and (list.models or list) or {}) do
    table.insert(names, model.name)
  end
  return names
end

--- Completes the command line.
---@param lead string the beginning of the word at the cursor
---@param line string
---@return string[]
function M.complete(lead, line)
  local words = vim.split(line, '%s+')
  if #words <= 2 then
    return begin_with(lead, vim.fn.sort(vim.tbl_keys(M.commands)))
  elseif words[2] == 'model' then
    return begin_with(lead, models())
  elseif words[2] == 'install' then
    return vim.fn.getcompletion(lead, 'file')
  elseif vim.list_contains({ 'toggle', 'enable', 'disable' }, words[2]) then
    return begin_with(lead, { 'all', 'buffer' })
  end
  return {}
end

return M
