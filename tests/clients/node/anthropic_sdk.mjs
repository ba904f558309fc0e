// Anthropic's own client for Node.

import Anthropic from "@anthropic-ai/sdk";
import { betaTool } from "@anthropic-ai/sdk/helpers/beta/json-schema";
import { zodOutputFormat } from "@anthropic-ai/sdk/helpers/zod";
import { z } from "zod";
import {
  BASE_URL, HELLO, KEY, PARAMETERS, PLACE, TOOL, TURNS, failOver, raisedBy, run, weather,
} from "./trial.mjs";

const client = new Anthropic({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0 });
const Place = z.object({ name: z.string(), population: z.number().int() });
const hello = { max_tokens: 500, messages: [{ role: "user", content: HELLO }] };

async function plain(model) {
  const answer = await client.messages.create({ model, ...hello });
  const { input_tokens, cache_read_input_tokens, output_tokens } = answer.usage;
  return {
    text: answer.content[0].text,
    input_tokens: input_tokens + cache_read_input_tokens,
    output_tokens,
  };
}

async function stream(model) {
  const opened = client.messages.stream({ model, ...hello });
  const pieces = [];
  opened.on("text", (piece) => pieces.push(piece));
  const whole = await opened.finalMessage();
  return {
    text: whole.content[0].text,
    pieces,
    output_tokens: whole.usage.output_tokens,
  };
}

async function tools(model) {
  let messages = [];
  let calls = 0;
  let answer;
  for (let turn = 0; turn < TURNS; turn += 1) {
    await failOver();
    messages.push({ role: "user", content: TOOL });
    const runner = client.beta.messages.toolRunner({
      model,
      max_tokens: 500,
      messages,
      stream: turn % 2 === 1,
      tools: [
        betaTool({
          name: "weather",
          description: "Tells the weather of a place.",
          inputSchema: PARAMETERS,
          run: () => {
            calls += 1;
            return weather();
          },
        }),
      ],
    });
    answer = await runner.runUntilDone();
    messages = [...runner.params.messages];
    if (messages.at(-1).role === "user") {
      messages.push({ role: "assistant", content: answer.content });
    }
  }
  return { text: answer.content.at(-1).text, calls };
}

async function structured(model) {
  const answer = await client.messages.parse({
    model,
    max_tokens: 500,
    messages: [{ role: "user", content: PLACE }],
    output_config: { format: zodOutputFormat(Place) },
  });
  return answer.parsed_output;
}

await run({
  plain,
  stream,
  tools,
  structured,
  error: (model) => raisedBy(() => plain(model)),
});
