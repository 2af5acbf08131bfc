/**
 * A device as boards are: an arm64 kernel with plain cgroup v2 and crun, 512 MiB, from a card that `covey flash` made,
 * joined to a hub over its network, seen through kubectl and through the kernel's own files. The tests build on one
 * another, in order.
 */
import { after, before, describe } from 'node:test';
import { cardTests, copyTests } from './card-tests.js';
import { DeviceView } from './device-view.js';
import { DEVICE, Lab, PRELOADED, whyNoLab } from './lab.js';
import { limitTests } from './limit-tests.js';
import { outageTests } from './outage-tests.js';
import { updateTests } from './update-tests.js';
import { usbAfterRestartTests, usbTests } from './usb-tests.js';
import { workloadTests } from './workload-tests.js';

describe('an arm64 board with cgroup v2', { skip: (await whyNoLab()) ?? false }, () => {
  let device: DeviceView;
  const view = () => device;

  before(async () => {
    const prepare = async (lab: Lab) => {
      lab.flash(DEVICE, ['--label', 'room=lab', '--preload', PRELOADED]);
      await lab.startSpare();
    };
    device = new DeviceView(await Lab.create({ prepare }));
  });
  after(() => device?.lab[Symbol.asyncDispose]());

  cardTests(view);
  workloadTests(view);
  limitTests(view);
  usbTests(view);
  updateTests(view);
  usbAfterRestartTests(view);
  outageTests(view);
  copyTests(view);
});
