// Judges the rendered state machines by two linters from npm: node lint.mjs FILE...
//
//   asl-validator                      the JSON schema of the language, and whether each state is reached
//   amazon-states-language-service     what the AWS Toolkit shows in an editor
//
// Placeholders (${FindNodeFunctionArn}) are filled in first, as CloudFormation does. Exit status 1 if anything is said.
import { readFileSync } from 'node:fs'
import { basename } from 'node:path'
import validator from 'asl-validator'
import service from 'amazon-states-language-service'

const { getLanguageService, TextDocument } = service

function filledIn(text) {
  return text
    .replaceAll('${Partition}', 'aws')
    .replace(/\$\{(\w+)Arn\}/g, 'arn:aws:lambda:eu-west-1:123456789012:function:$1')
}

function byValidator(machine) {
  const { isValid, errors } = validator(machine)
  return isValid ? [] : errors.map((one) => `asl-validator: ${one.Message ?? one.message ?? JSON.stringify(one)}`)
}

async function byLanguageService(name, text) {
  const document = TextDocument.create(`file:///${name}`, 'asl', 1, text)
  const language = getLanguageService({ workspaceContext: { resolveRelativePath: () => '' } })
  const found = await language.doValidation(document, language.parseJSONDocument(document))
  return found.map((one) => `amazon-states-language-service: line ${one.range.start.line + 1}: ${one.message}`)
}

let status = 0
for (const path of process.argv.slice(2)) {
  const text = filledIn(readFileSync(path, 'utf8'))
  const left = text.match(/\$\{\w+\}/)
  const said = [
    ...(left ? [`${left[0]} is no placeholder that lint.mjs knows`] : []),
    ...byValidator(JSON.parse(text)),
    ...(await byLanguageService(basename(path), text)),
  ]
  for (const sentence of said) console.log(`${basename(path)}: ${sentence}`)
  if (said.length) status = 1
}
process.exitCode = status
