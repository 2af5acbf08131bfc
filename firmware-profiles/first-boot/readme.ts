/** README.txt of a card: for whoever puts it into a PC. */
import type { CardSettings } from '../settings.js';

export function cardReadme({ name, hub, profile }: CardSettings, cardDirectory: string): string {
  return `This card makes a Raspberry-Pi-class board a device of a Covey fleet.

  device    ${name}
  hub       ${hub.url}
  profile   ${profile}

Put it into the board and switch on. The first start sets the system up and restarts the board by itself; after
that the device joins the hub. It takes a few minutes and needs no keyboard and no screen.

log.txt, beside this file, says what happened, newest last. If the device does not show up at the hub, look there:
its last line names the reason. On the board the directory is ${cardDirectory}.

The card holds one claim, good for this device only and only once; the first start removes it. A copy of the card
made later is refused by the hub.
`;
}
