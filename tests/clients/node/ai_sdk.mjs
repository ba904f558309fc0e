// Vercel's AI SDK: `chat`, `responses`, `compatible` or `messages`.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { Output, generateText, jsonSchema, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import {
  BASE_URL, HELLO, KEY, PARAMETERS, PLACE, TOOL, TURNS, failOver, raisedBy, run, weather,
} from "./trial.mjs";

const options = { baseURL: `${BASE_URL}/v1`, apiKey: KEY };
const models = {
  chat: createOpenAI(options).chat,
  responses: createOpenAI(options).responses,
  compatible: createOpenAICompatible({
    ...options,
    name: "gateway",
    includeUsage: true,
    supportsStructuredOutputs: true,
  }),
  messages: createAnthropic(options),
};
const modelOf = models[process.argv[2]];
const Place = z.object({ name: z.string(), population: z.number().int() });
// Without it the Responses API is told to keep each answer, and then of items that are
// kept the names alone are sent. This gateway's project keeps nothing.
const providerOptions = { openai: { store: false } };
const ask = (model, more) => ({
  model: modelOf(model),
  maxRetries: 0,
  providerOptions,
  ...more,
});

async function plain(model) {
  const { text, usage } = await generateText(ask(model, { prompt: HELLO }));
  return {
    text,
    input_tokens: usage.inputTokens,
    output_tokens: usage.outputTokens,
  };
}

async function stream(model) {
  const answer = streamText(ask(model, { prompt: HELLO }));
  const pieces = [];
  for await (const piece of answer.textStream) pieces.push(piece);
  const usage = await answer.usage;
  return { text: await answer.text, pieces, output_tokens: usage.outputTokens };
}

async function tools(model) {
  const messages = [];
  let calls = 0;
  let text;
  for (let turn = 0; turn < TURNS; turn += 1) {
    messages.push({ role: "user", content: TOOL });
    await failOver();
    const asked = ask(model, {
      messages,
      stopWhen: stepCountIs(4),
      tools: {
        weather: tool({
          description: "Tells the weather of a place.",
          inputSchema: jsonSchema(PARAMETERS),
          execute: () => {
            calls += 1;
            return weather();
          },
        }),
      },
    });
    const answer = turn % 2 === 1 ? streamText(asked) : await generateText(asked);
    text = await answer.text;
    messages.push(...(await answer.response).messages);
  }
  return { text, calls };
}

async function structured(model) {
  const { output } = await generateText(
    ask(model, { prompt: PLACE, output: Output.object({ schema: Place }) }),
  );
  return output;
}

await run({
  plain,
  stream,
  tools,
  structured,
  error: (model) => raisedBy(() => plain(model)),
});
