import { Controller, Get, Module } from '@nestjs/common';

@Controller('demo')
class HereController {
  @Get('here')
  here(): object {
    return { yes: true };
  }
}

/** A route of a demo. */
@Module({ controllers: [HereController] })
export class Here {}
