/** Errors of answers that are not 200. */
import { describe, expect, it } from "vitest";
import { errorOfAnswer } from "../../../browser_client/src/io/http.ts";

const URL = "/v1/updates";

function answer(status: number, fields: Record<string, unknown> | null) {
  return errorOfAnswer(URL, { status, headers: new Headers(), fields });
}

describe("an answer that is not 200", () => {
  it("is the protocol's own error, with the channel that it names", () => {
    const error = { code: "not_allowed", message: "no", retryable: false, channel: "public/a" };
    expect(answer(403, { error })).toMatchObject(error);
  });

  it.each([
    [401, "unauthenticated"],
    [403, "not_allowed"],
  ])("of a proxy's page with status %i is worth another try", (status, code) => {
    expect(answer(status, null)).toMatchObject({
      code,
      retryable: true,
    });
  });

  it("is for good where nothing else is there: status 404", () => {
    expect(answer(404, null)).toMatchObject({ code: "not_found", retryable: false });
  });
});
