/**
 * What a page's own events tell the machine.
 *
 * @vitest-environment happy-dom
 */
import { afterEach, describe, expect, it, vi } from "vitest";
import { watchPage } from "../../../browser_client/src/io/page_life.ts";

let unwatch = () => {};

afterEach(() => {
  unwatch();
  vi.restoreAllMocks();
});

function heardOf(...happenings: (() => void)[]): unknown[] {
  const heard: unknown[] = [];
  unwatch = watchPage((event) => heard.push(event));
  for (const happen of happenings) happen();
  return heard;
}

const onWindow = (name: string, fields = {}) => {
  window.dispatchEvent(Object.assign(new Event(name), fields));
};
const onDocument = (name: string) => {
  document.dispatchEvent(new Event(name));
};

function beHidden(hidden: boolean): void {
  vi.spyOn(document, "hidden", "get").mockReturnValue(hidden);
  onDocument("visibilitychange");
}

describe("a page", () => {
  it("that is hidden, and looked at again", () => {
    expect(
      heardOf(
        () => beHidden(true),
        () => beHidden(false),
      ),
    ).toEqual([{ kind: "Hidden" }, { kind: "Woke", isHidden: false }]);
  });

  it.each(["online", "offline"])("whose network is %s", (name) => {
    expect(heardOf(() => onWindow(name))).toEqual([{ kind: "Woke", isHidden: false }]);
  });

  it("that is kept for the way back, and comes back", () => {
    expect(
      heardOf(
        () => onWindow("pagehide", { persisted: true }),
        () => onWindow("pageshow", { persisted: true }),
      ),
    ).toEqual([{ kind: "Slept" }, { kind: "Woke", isHidden: false }]);
  });

  it("that is frozen and resumes, hidden still", () => {
    vi.spyOn(document, "hidden", "get").mockReturnValue(true);
    expect(
      heardOf(
        () => onDocument("freeze"),
        () => onDocument("resume"),
      ),
    ).toEqual([{ kind: "Slept" }, { kind: "Woke", isHidden: true }]);
  });

  it("that is shown for the first time was not away", () => {
    expect(heardOf(() => onWindow("pageshow", { persisted: false }))).toEqual([]);
  });

  it("is not listened to after the end", () => {
    const heard = heardOf(() => unwatch());
    onWindow("online");
    expect(heard).toEqual([]);
  });
});
