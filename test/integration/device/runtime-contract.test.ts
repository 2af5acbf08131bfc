/** The runtime contract on real containers. */
import { runtimeSuite } from '#test/contract/runtime-suite.js';
import { containersMissing, runtimeFixture } from '#test/helpers/device-runtime.js';

runtimeSuite(
  'conmon',
  async () => {
    const fixture = await runtimeFixture();
    return {
      runtime: fixture.runtime,
      forever: (podUid) => fixture.spec(['sleep', '1000000'], { podUid }),
      endsWith: (podUid, exitCode) => fixture.spec(['sh', '-c', `exit ${exitCode}`], { podUid }),
      exited: (id) => fixture.exited(id),
      [Symbol.asyncDispose]: () => fixture[Symbol.asyncDispose](),
    };
  },
  containersMissing(),
);
