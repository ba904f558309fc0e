// OpenAI's own client for Node: `chat` or `responses`.

import OpenAI from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import {
  BASE_URL, HELLO, KEY, PARAMETERS, PLACE, TOOL, TURNS, failOver, raisedBy, run, weather,
} from "./trial.mjs";

const client = new OpenAI({ baseURL: `${BASE_URL}/v1`, apiKey: KEY, maxRetries: 0 });
const Place = z.object({ name: z.string(), population: z.number().int() });

const chat = {
  async plain(model) {
    const answer = await client.chat.completions.create({
      model,
      messages: [{ role: "user", content: HELLO }],
    });
    return {
      text: answer.choices[0].message.content,
      input_tokens: answer.usage.prompt_tokens,
      output_tokens: answer.usage.completion_tokens,
    };
  },

  async stream(model) {
    const stream = client.chat.completions.stream({
      model,
      messages: [{ role: "user", content: HELLO }],
      stream_options: { include_usage: true },
    });
    const pieces = [];
    stream.on("content", (piece) => pieces.push(piece));
    const whole = await stream.finalChatCompletion();
    return {
      text: whole.choices[0].message.content,
      pieces,
      output_tokens: whole.usage.completion_tokens,
    };
  },

  async tools(model) {
    const messages = [];
    let calls = 0;
    let text;
    for (let turn = 0; turn < TURNS; turn += 1) {
      messages.push({ role: "user", content: TOOL });
      await failOver();
      const runner = client.chat.completions.runTools({
        model,
        messages,
        tools: [
          {
            type: "function",
            function: {
              name: "weather",
              parameters: PARAMETERS,
              parse: JSON.parse,
              function: () => {
                calls += 1;
                return weather();
              },
            },
          },
        ],
      });
      text = await runner.finalContent();
      messages.splice(0, messages.length, ...runner.messages);
    }
    return { text, calls };
  },

  async structured(model) {
    const answer = await client.chat.completions.parse({
      model,
      messages: [{ role: "user", content: PLACE }],
      response_format: zodResponseFormat(Place, "place"),
    });
    return answer.choices[0].message.parsed;
  },
};

const responses = {
  async plain(model) {
    const answer = await client.responses.create({ model, input: HELLO });
    return { text: answer.output_text, ...answer.usage };
  },

  async stream(model) {
    const stream = client.responses.stream({ model, input: HELLO });
    const pieces = [];
    stream.on("response.output_text.delta", (event) => pieces.push(event.delta));
    const whole = await stream.finalResponse();
    return {
      text: whole.output_text,
      pieces,
      output_tokens: whole.usage.output_tokens,
    };
  },

  async tools(model) {
    const input = [];
    let calls = 0;
    let answer;
    for (let turn = 0; turn < TURNS; turn += 1) {
      input.push({ role: "user", content: TOOL });
      await failOver();
      for (;;) {
        answer = await client.responses.create({
          model,
          input,
          tools: [
            { type: "function", name: "weather", parameters: PARAMETERS, strict: true },
          ],
        });
        input.push(...answer.output);
        const called = answer.output.filter((item) => item.type === "function_call");
        for (const { call_id } of called) {
          calls += 1;
          const output = await weather();
          input.push({ type: "function_call_output", call_id, output });
        }
        if (called.length === 0) break;
      }
    }
    return { text: answer.output_text, calls };
  },

  async structured(model) {
    const answer = await client.responses.parse({
      model,
      input: PLACE,
      text: { format: zodTextFormat(Place, "place") },
    });
    return answer.output_parsed;
  },
};

const tried = { chat, responses }[process.argv[2]];
await run({ ...tried, error: (model) => raisedBy(() => tried.plain(model)) });
